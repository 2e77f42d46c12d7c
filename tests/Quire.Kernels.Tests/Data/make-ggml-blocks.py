"""Writes ggml-blocks.json: random blocks of every format with the values that ggml's own reference functions decode them to, and random
rows with the blocks that ggml quantises them to.
usage: make-ggml-blocks.py PATH/libggml-base.so > ggml-blocks.json   (for instance the one in the npm package node-llama-cpp)"""
import base64, ctypes, json, random, struct, sys

ggml = ctypes.CDLL(sys.argv[1])
FORMATS = {"Q4_0": (32, 18, [0]), "Q4_1": (32, 20, [0, 2]), "Q5_0": (32, 22, [0]), "Q5_1": (32, 24, [0, 2]), "Q8_0": (32, 34, [0]),
           "Q2_K": (256, 84, [80, 82]), "Q3_K": (256, 110, [108]), "Q4_K": (256, 144, [0, 2]), "Q5_K": (256, 176, [0, 2]), "Q6_K": (256, 210, [208])}
rng = random.Random(20260101)
decoded = []
for name, (length, size, scales) in FORMATS.items():
    blocks = bytearray()
    for _ in range(4):
        block = bytearray(rng.randbytes(size))
        for at in scales:
            block[at:at + 2] = struct.pack("<e", rng.uniform(-0.05, 0.05))
        blocks += block
    values = (ctypes.c_float * (4 * length))()
    getattr(ggml, "dequantize_row_" + name.lower().replace("k", "K"))((ctypes.c_char * len(blocks)).from_buffer(blocks), values, ctypes.c_int64(4 * length))
    decoded.append({"format": name, "blocks": base64.b64encode(bytes(blocks)).decode(), "values": base64.b64encode(bytes(values)).decode()})
encoded = []
for name in ("Q4_0", "Q8_0"):
    length, size, _ = FORMATS[name]
    values = (ctypes.c_float * (8 * length))(*[rng.gauss(0, 1) for _ in range(7 * length)], *([0.0] * length))
    blocks = ctypes.create_string_buffer(8 * size)
    getattr(ggml, "quantize_row_" + name.lower() + "_ref")(values, blocks, ctypes.c_int64(8 * length))
    encoded.append({"format": name, "blocks": base64.b64encode(blocks.raw).decode(), "values": base64.b64encode(bytes(values)).decode()})
json.dump({"decoded": decoded, "encoded": encoded}, sys.stdout, indent=1)
