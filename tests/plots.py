"""What holds of every picture."""


def no_caption_overlaps(axes):
    """Titles, tick labels and numbers of all axes, each in a place of its own."""
    no_overlap(axes.flat[0].figure)


def no_overlap(figure):
    """All text of a figure, each in a place of its own, and none cut off."""
    figure.canvas.draw()
    texts = texts_of(figure)
    boxes = [text.get_window_extent() for text in texts]
    whole = figure.bbox.padded(2)
    for i, box in enumerate(boxes):
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1, texts[i].get_text()
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1, texts[i].get_text()
        for j in range(i):
            both = (texts[i].get_text(), texts[j].get_text())
            assert not box.padded(-1).overlaps(boxes[j].padded(-1)), both


def texts_of(figure):
    """Tick labels, titles, legends and text, where there is some."""
    texts = [figure._suptitle] if figure._suptitle else []
    for ax in figure.axes:
        texts += [ax.title, ax._left_title]
        if ax.axison:
            texts += [*ax.texts, *ticks_of(ax), ax.xaxis.label, ax.yaxis.label]
        if ax.get_legend():
            texts += [ax.get_legend().get_title(), *ax.get_legend().get_texts()]
    return [text for text in texts if text.get_text()]


def ticks_of(ax):
    low, high = sorted(ax.get_xlim())
    below = [t for t in ax.get_xticklabels() if low <= t.get_position()[0] <= high]
    low, high = sorted(ax.get_ylim())
    left = [t for t in ax.get_yticklabels() if low <= t.get_position()[1] <= high]
    return below + left
