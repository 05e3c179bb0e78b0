import json

import pytest

from nixtla_accessor.local.chronos.config import CHRONOS_2, CHRONOS_BOLT, ChronosConfig, read_config

CHRONOS = {
    "context_length": 64,
    "input_patch_size": 8,
    "output_patch_size": 8,
    "input_patch_stride": 8,
    "max_output_patches": 4,
    "prediction_length": 16,
    "quantiles": [0.1, 0.5, 0.9],
}
SIZES = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": 2, "num_decoder_layers": 2}
CONFIG = {"architectures": [CHRONOS_2], "chronos_config": CHRONOS, **SIZES}


def write(folder, config):
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return folder


@pytest.mark.parametrize(("architecture", "horizon"), [(CHRONOS_2, 32), (CHRONOS_BOLT, 16)])
def test_it_says_what_a_model_can(tmp_path, architecture, horizon):
    folder = write(tmp_path, {**CONFIG, "architectures": [architecture]})
    assert read_config(folder) == ChronosConfig(architecture, 64, horizon, (0.1, 0.5, 0.9))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{" + " " * 2**20 + "}", "is larger than 1,048,576 bytes"),
        ({}, "is that of None"),
        ({"architectures": ["LlamaForCausalLM"]}, r"is that of \['LlamaForCausalLM'\]; expected one architecture"),
        ({"architectures": CHRONOS_2}, "expected one architecture"),
        ({"architectures": [CHRONOS_2] * 2}, "expected one architecture"),
        ({"architectures": [[]]}, "expected one architecture"),
        ({"architectures": ["x" * 10_000]}, "…; expected one"),
        ({**CONFIG, "auto_map": {"AutoModel": "evil.py"}}, "has 'auto_map'"),
        ({**CONFIG, "quantization_config": {}}, "has 'quantization_config'"),
        ({**CONFIG, "chronos_config": None}, "has no chronos_config"),
        ({**CONFIG, "num_layers": 10**9}, "num_layers = 1000000000; expected a whole number from 1 to 256"),
        ({**CONFIG, "d_model": 2.5}, "d_model = 2.5"),
        ({**CONFIG, "d_ff": True}, "d_ff = True"),
        ({**CONFIG, "chronos_config": {**CHRONOS, "context_length": -1}}, "context_length = -1"),
        ({**CONFIG, "chronos_config": {**CHRONOS, "quantiles": []}}, "expected ascending levels"),
        ({**CONFIG, "chronos_config": {**CHRONOS, "quantiles": [0.9, 0.5]}}, "expected ascending levels"),
        ({**CONFIG, "chronos_config": {**CHRONOS, "quantiles": [0.1, 0.9]}}, "0.5 among them"),
        ({**CONFIG, "chronos_config": {**CHRONOS, "quantiles": [0.5, "x"]}}, "expected ascending levels"),
    ],
)
def test_any_other_is_refused_with_the_reason(tmp_path, config, reason):
    with pytest.raises(ValueError, match=reason) as refused:
        read_config(write(tmp_path, config))
    assert len(str(refused.value)) < 300
