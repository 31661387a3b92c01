"""What holds of every picture."""


def no_caption_overlaps(axes):
    """Titles, tick labels and numbers of all axes, each in a place of its own."""
    figure = axes.flat[0].figure
    figure.canvas.draw()
    texts = []
    for ax in (ax for ax in axes.flat if ax.axison):
        low, high = sorted(ax.get_xlim())
        ticks = [t for t in ax.get_xticklabels() if low <= t.get_position()[0] <= high]
        ticks += ax.get_yticklabels()
        titles = [ax.title, ax._left_title, ax.xaxis.label]
        texts += [t for t in [*ticks, *titles, *ax.texts] if t.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    whole = figure.bbox.padded(2)
    for i, box in enumerate(boxes):
        inside = whole.x0 <= box.x0 and box.x1 <= whole.x1
        assert inside, texts[i].get_text()
        for j in range(i):
            both = (texts[i].get_text(), texts[j].get_text())
            assert not box.padded(-1).overlaps(boxes[j].padded(-1)), both
