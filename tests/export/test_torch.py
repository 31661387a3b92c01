"""to_torch: one module returns labels, probabilities and nearest prototypes."""

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from saved import make_models
from served import RULES, SETTINGS, assert_same, fit_rule, four_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.export import to_torch

torch = pytest.importorskip("torch")

# What torch deprecates in itself while it compiles and exports.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
DYNAMIC = ({0: torch.export.Dim.DYNAMIC},)


def serve(module, X):
    """Return the outputs in the order of ONNX."""
    with torch.inference_mode():
        answer = module(torch.as_tensor(X))
    code, *others = (answer[name].numpy() for name in sorted_names(answer))
    return (code, *others)


def sorted_names(answer):
    names = ["class_index", "probabilities", "prototypes", "similarities"]
    assert list(answer) == names
    return names


def answers_of(module, X, classes):
    code, *others = serve(module, X)
    return (np.array(classes)[code], *others)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, 8, 8)),
        torch.nn.Conv2d(1, 6, 3),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(216, 24),
        torch.nn.Tanh(),
        torch.nn.Linear(24, 10),
    )


@pytest.fixture(scope="module")
def psem(network, digits):
    X, _, y, _ = (x.astype(np.float32) for x in digits)
    return make_kmex(network, n_prototypes=3, random_state=0).fit(X, y)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_classifier(name, digits):
    X, X_test, y, _ = (x.astype(np.float32) for x in digits)
    psem = KMExClassifier(**{"n_prototypes": 3, "random_state": 0, **SETTINGS[name]})
    psem.fit(X, y)
    module = to_torch(psem, n_prototypes=4)
    assert_same(answers_of(module, X_test, module.classes_), psem, X_test)
    assert module.prototype_indices_ == psem.prototype_indices_.tolist()


@pytest.mark.parametrize("rule", RULES, ids="-".join)
def test_every_rule(rule, digits):
    X, y, X_test = four_digits(digits, np.float32)
    psem = fit_rule(rule, X, y)
    module = to_torch(psem, n_prototypes=4)
    assert_same(answers_of(module, X_test, module.classes_), psem, X_test)


@pytest.mark.parametrize("metric", ["cosine", "cosine_mahalanobis"])
@pytest.mark.filterwarnings("ignore:X has rows of zeros")
def test_rows_of_zeros_are_compared_as_they_are(metric, digits):
    X, y, X_test = four_digits(digits, np.float32)
    psem = fit_rule((metric, "class", "log", "max"), X, y)
    rows = np.concatenate([np.zeros((2, 64), np.float32), X_test * np.float32(1e-30)])
    module = to_torch(psem)
    assert_same(answers_of(module, rows, module.classes_), psem, rows)


@pytest.mark.parametrize("metric", ["cosine", "mahalanobis", "cosine_mahalanobis"])
def test_every_metric_is_exported_and_compiled(metric, digits):
    X, y, X_test = four_digits(digits, np.float32)
    psem = fit_rule((metric, "prototype", "gaussian", "sum"), X, y)
    module = to_torch(psem)
    sample = torch.tensor(X[:3])
    program = torch.export.export(module, (sample,), dynamic_shapes=DYNAMIC)
    assert_same(answers_of(program.module(), X_test, module.classes_), psem, X_test)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    assert_same(answers_of(compiled, X_test, module.classes_), psem, X_test)
    module.float()  # for a device without float64
    labels = answers_of(module, X_test, module.classes_)[0]
    assert np.mean(labels == psem.predict(X_test)) > 0.98


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_a_large_common_offset_costs_no_digits(offset, digits):
    X, X_test, y, _ = digits
    X, X_test = ((x + offset).astype(np.float32) for x in (X, X_test))
    scaled = make_pipeline(StandardScaler(), KMExClassifier(3, random_state=0))
    for psem in (KMExClassifier(3, random_state=0), scaled):
        module = to_torch(psem.fit(X, y))
        assert_same(answers_of(module, X_test, module.classes_), psem, X_test)


def test_a_row_that_equals_a_prototype_has_distance_zero(digits):
    X, _, y, _ = (x.astype(np.float32) for x in digits)
    psem = KMExClassifier(2, prototype="medoid", random_state=0).fit(X + 1000, y)
    own = X[psem.prototype_indices_] + 1000
    _, _, prototypes, similarities = serve(to_torch(psem), own)
    assert_array_equal(prototypes[:, 0], np.arange(len(own)))
    np.testing.assert_allclose(similarities[:, 0], -np.log(1e-4), rtol=1e-3)


def test_a_stream_that_waits_for_a_class(digits):
    X, X_test, y, _ = (x.astype(np.float32) for x in digits)
    psem = KMExClassifier(2, random_state=0, aggregation="sum")
    psem.partial_fit(X[y < 8], y[y < 8], classes=np.arange(10.0))
    module = to_torch(psem)
    answers = answers_of(module, X_test, module.classes_)
    assert_same(answers, psem, X_test)
    assert not answers[1][:, 8:].any()


@pytest.mark.parametrize("name", ["kmex", "scaled", "mlp", "behind"])
def test_pipelines_of_scikit_learn(name, digits):
    X, X_test, y, _ = digits
    psem = make_models(X, y)[name][0].fit(X, np.char.add("digit ", y.astype(str)))
    module = to_torch(psem)
    X_test = X_test.astype(np.float32)
    assert_same(answers_of(module, X_test, module.classes_), psem, X_test)


@pytest.mark.parametrize("part", ["with_mean", "with_std"])
def test_half_a_scaler(part, blobs):
    X, y = blobs
    scaler = StandardScaler(**{part: False})
    psem = make_pipeline(scaler, KMExClassifier(2, random_state=0)).fit(X, y)
    module, X = to_torch(psem), X.astype(np.float32)
    assert_same(answers_of(module, X, module.classes_), psem, X)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_activations(activation, blobs):
    X, y = blobs
    X = X / 8  # saturated, rows are so near to prototypes that rounding is magnified
    mlp = MLPClassifier(
        (8, 6), activation=activation, max_iter=4000, tol=1e-2, random_state=0
    )
    psem = make_kmex(mlp.fit(X, y), layer=0, n_prototypes=2, random_state=0).fit(X, y)
    module = to_torch(psem)
    X = X.astype(np.float32)
    assert_same(answers_of(module, X, module.classes_), psem, X)


def test_a_network_and_its_copy(psem, network, digits):
    X, X_test, _, _ = (x.astype(np.float32) for x in digits)
    module = to_torch(psem, X)
    assert_same(answers_of(module, X_test, module.classes_), psem, X_test)
    before = psem.predict_proba(X_test)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
    module.double()
    assert_array_equal(psem.predict_proba(X_test), before)
    assert network[1].weight.dtype == torch.float32
    assert not any(weight.requires_grad for weight in module.parameters())
    assert not network[1]._forward_hooks


def test_a_scaler_before_the_network(network, digits):
    X, X_test, y, _ = (x.astype(np.float32) for x in digits)
    steps = StandardScaler(), TorchEmbedder(network), KMExClassifier(2, random_state=0)
    psem = make_pipeline(*steps).fit(X, y)
    module = to_torch(psem, X)
    assert_same(answers_of(module, X_test, module.classes_), psem, X_test)


def test_exported_and_saved_for_batches_of_any_size(psem, digits):
    X, X_test, _, _ = (x.astype(np.float32) for x in digits)
    module = to_torch(psem, X)
    sample = torch.tensor(X[:3])
    program = torch.export.export(module, (sample,), dynamic_shapes=DYNAMIC)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    assert_same(answers_of(loaded, X_test, module.classes_), psem, X_test)
    assert len(serve(loaded, X_test[:1])[0]) == 1


LOAD = """
import sys
sys.modules |= dict.fromkeys(["sklearn", "sklearn_kmex", "scipy"])  # torch alone
import torch
rows = torch.load(sys.argv[1])
for path in sys.argv[2:]:
    torch.save(torch.export.load(path).module()(rows), f"{path}.answer")
"""


def answers_elsewhere(modules, X, folder):
    """Run exported modules in a process that has only torch."""
    rows, rows_path = torch.tensor(X), folder / "rows"
    torch.save(rows, rows_path)
    paths = [folder / f"{name}.pt2" for name in modules]
    for module, path in zip(modules.values(), paths, strict=True):
        program = torch.export.export(module, (rows[:3],), dynamic_shapes=DYNAMIC)
        torch.export.save(program, path)
    subprocess.run([sys.executable, "-c", LOAD, rows_path, *paths], check=True)
    return [torch.load(f"{path}.answer") for path in paths]


def test_the_same_answers_in_another_process(psem, digits, tmp_path):
    X, X_test, y, _ = (x.astype(np.float32) for x in digits)
    made = {name: make_models(X, y)[name][0].fit(X, y) for name in ("kmex", "mlp")}
    made["network"] = psem
    modules = {name: to_torch(one, X) for name, one in made.items()}
    found = answers_elsewhere(modules, X_test, tmp_path)
    for one, answer in zip(made.values(), found, strict=True):
        assert_array_equal(one.classes_[answer["class_index"]], one.predict(X_test))


@pytest.mark.slow
def test_the_same_answers_of_resnet20_in_another_process(load_data, tmp_path):
    resnet20 = pytest.importorskip("resnet20")
    weights = load_data("resnet20_cifar10_weights.npz")
    train = load_data("cifar10_jpeg_train12k.npz")
    images, y = resnet20.standardize(train["x"][:200]), train["y"][:200]
    one = make_kmex(resnet20.load(weights), n_prototypes=2, random_state=0)
    module = to_torch(one.fit(images, y))
    (answer,) = answers_elsewhere({"resnet20": module}, images, tmp_path)
    assert_array_equal(one.classes_[answer["class_index"]], one.predict(images))


def test_compiled_without_a_break(psem, digits):
    X, X_test, _, _ = (x.astype(np.float32) for x in digits)
    module = to_torch(psem, X)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    assert_same(answers_of(compiled, X_test, module.classes_), psem, X_test)


def test_threads_can_run_it_at_once(psem, digits):
    X, X_test, _, _ = (x.astype(np.float32) for x in digits)
    module = to_torch(psem, X)
    batches = [X_test[i : i + 20] for i in range(0, 500, 20)] * 8
    alone = [serve(module, batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda batch: serve(module, batch), batches))
    for one, other in zip(alone, together, strict=True):
        for part, same in zip(one, other, strict=True):
            assert_array_equal(part, same)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(psem, digits):
    X, X_test, _, _ = (x.astype(np.float32) for x in digits)
    module = to_torch(psem, X).cuda()
    with torch.inference_mode():
        answer = module(torch.tensor(X_test).cuda())
    assert_array_equal(answer["class_index"].cpu(), psem.predict(X_test))


@pytest.mark.slow
def test_resnet20(load_data):
    resnet20 = pytest.importorskip("resnet20")
    weights = load_data("resnet20_cifar10_weights.npz")
    train = load_data("cifar10_jpeg_train12k.npz")
    test = load_data("cifar10_jpeg_test10k.npz")
    X, y = resnet20.standardize(train["x"][:800]), train["y"][:800]
    X_test = resnet20.standardize(test["x"][:1000])
    psem = make_kmex(resnet20.load(weights), n_prototypes=3, random_state=0).fit(X, y)
    module = to_torch(psem)  # one linear layer: no sample is needed to find it
    assert_same(answers_of(module, X_test, module.classes_), psem, X_test)


def test_rows_that_are_images(network, digits):
    X, X_test, y, _ = (x.astype(np.float32) for x in digits)
    images = TorchEmbedder(network[1:], "2", input_shape=(1, 8, 8), pooling="flatten")
    psem = make_kmex(images, n_prototypes=2, random_state=0).fit(X, y)
    module = to_torch(psem)
    for rows in (X_test, X_test.reshape(-1, 1, 8, 8)):
        assert_same(answers_of(module, rows, module.classes_), psem, X_test)


def test_a_network_that_changes_its_input_leaves_the_batch_alone(blobs):
    X, y = (values.astype(np.float32) for values in blobs)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(4, 8))
    psem = make_kmex(network, layer="1", n_prototypes=1, random_state=0).fit(X, y)
    batch = torch.from_numpy(X.copy())
    module = to_torch(psem)
    assert_same(answers_of(module, batch, module.classes_), psem, X)
    assert_array_equal(batch, X)


def test_a_search_is_its_best_estimator_and_a_rejecting_classifier_is_refused(digits):
    X, X_test, y, _ = digits
    psem = make_pipeline(StandardScaler(), KMExClassifier(random_state=0))
    grid = {"kmexclassifier__n_prototypes": [1, 2]}
    search = GridSearchCV(psem, grid, cv=2).fit(X, y)
    module = to_torch(search)
    answers = answers_of(module, X_test, module.classes_)
    assert_same(answers, search.best_estimator_, X_test)
    rejecting = RejectingClassifier(search.best_estimator_, cv=2).fit(X, y)
    with pytest.raises(TypeError, match=r"RejectingClassifier.* Export its estimator_"):
        to_torch(rejecting)
    module = to_torch(rejecting.estimator_)
    expected = rejecting.estimator_
    assert_same(answers_of(module, X_test, module.classes_), expected, X_test)


def test_error_names_a_step_without_a_module(psem, digits):
    X, _, y, _ = digits
    with pytest.raises(TypeError, match=r"psem must consist of .* got PCA\. Use to_on"):
        to_torch(make_pipeline(PCA(2), KMExClassifier(1)).fit(X, y))
    with pytest.raises(ValueError, match=r"X must be given .* several linear layers"):
        to_torch(psem)
    with pytest.raises(ValueError, match="n_prototypes must be an int of at least 1"):
        to_torch(psem, X, n_prototypes=0)
