/** The ops as functions of tensors, by the fused kernels and by the reference. */
import { referenceOps, type EngineTest, type OpSet, type TensorValue, type Value } from "../engine-test.js";

const source = `
def run_attention(qkv: Tensor, segments: Tensor, q_heads: int, kv_heads: int, head_dim: int,
                  scale: float, causal: bool, window: int, softcap: float) -> Tensor:
    return attention(qkv, segments, q_heads, kv_heads, head_dim, scale, causal, window, softcap).float()

def run_rotary(qkv: Tensor, cos: Tensor, sin: Tensor, q_heads: int, kv_heads: int, head_dim: int,
               q_norm: Optional[Tensor], k_norm: Optional[Tensor], eps: float, unit_offset: bool) -> Tensor:
    return rotary(qkv, cos, sin, q_heads, kv_heads, head_dim, q_norm, k_norm, eps, unit_offset).float()

def run_rms_norm(x: Tensor, weight: Tensor, eps: float, unit_offset: bool) -> Tensor:
    return rms_norm(x, weight, eps, unit_offset).float()

def run_layer_norm(x: Tensor, weight: Optional[Tensor], bias: Optional[Tensor], eps: float) -> Tensor:
    return layer_norm(x, weight, bias, eps).float()

def run_relative_attention(qkv: Tensor, segments: Tensor, heads: int, head_dim: int, scale: float, columns: Tensor,
                           keys: Optional[Tensor], queries: Optional[Tensor], bias: Optional[Tensor]) -> Tensor:
    return relative_attention(qkv, segments, heads, head_dim, scale, columns, keys, queries, bias).float()

def run_activation(x: Tensor, kind: str) -> Tensor:
    return activation(x, kind).float()

def run_segment_mean(x: Tensor, segments: Tensor) -> Tensor:
    return segment_mean(x, segments).float()

def run_gated_activation(gate_up: Tensor, activation: str) -> Tensor:
    return gated_activation(gate_up, activation).float()

def run_linear(x: Tensor, weight: W) -> Tensor:
    return linear(x, weight).float()

def run_linear_add(x: Tensor, weight: W, residual: Tensor) -> Tensor:
    return linear_add(x, weight, residual).float()
`;

export type Op =
  | "attention"
  | "rotary"
  | "rms_norm"
  | "layer_norm"
  | "relative_attention"
  | "activation"
  | "gated_activation"
  | "segment_mean"
  | "linear"
  | "linear_add";
export type RunOp = (op: Op, ...args: Value[]) => Float32Array;

export function compileOps(engine: EngineTest, ops: OpSet): RunOp {
  const run = engine.compile(source, { ops, reference: referenceOps });
  return (op, ...args) => (run(`run_${op}`, ...args) as TensorValue).data as Float32Array;
}

/** The reference in float32, on the very values that a bfloat16 kernel sees. */
export function widened(value: Value): Value {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  if ("linear" in value) {
    const { linear, bias } = value;
    return { linear: widenTensor(linear), ...(bias && { bias: widenTensor(bias) }) };
  }
  return "dtype" in value ? widenTensor(value) : value;
}

function widenTensor(value: TensorValue): TensorValue {
  if (value.dtype !== "bfloat16") return value;
  const words = Uint32Array.from(value.data as Uint16Array, (bits) => bits << 16);
  return { dtype: "float32", shape: value.shape, data: new Float32Array(words.buffer) };
}

/** The largest difference, relative to the largest value of the reference. */
export function difference(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Infinity;
  let [largest, apart] = [0, 0];
  for (const [index, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value));
    const distance = Math.abs(value - actual[index]!);
    if (!(distance <= apart)) apart = distance;
  }
  return largest === 0 ? apart : apart / largest;
}

/** Whether two results are equal bit for bit; `toEqual` takes seconds on arrays of this size. */
export function sameBits(actual: Float32Array, expected: Float32Array): boolean {
  const bytes = (values: Float32Array): Buffer =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return bytes(actual).equals(bytes(expected));
}
