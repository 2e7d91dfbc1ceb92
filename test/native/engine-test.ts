/**
 * engine-test.node: the engine's whole binding, TorchScript snippets that run on given tensors, and a simulated
 * accelerator.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readEnvironment } from "#lib/env.js";
import { RewardModelScoreError } from "#lib/errors.js";
import { findLibtorch } from "#lib/libtorch/find.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { type LoaderAddon, openLibtorch } from "#lib/native/open-libtorch.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

export const referenceOps = readFileSync(join(root, "native/ops/reference.py"), "utf8");

export interface TensorValue {
  dtype: "float32" | "float64" | "bfloat16" | "float16" | "int64" | "int32" | "int8" | "uint8" | "bool";
  shape: number[];
  /** bfloat16 and float16 as their bits in a Uint16Array, int64 as BigInt64Array, bool as Uint8Array. */
  data: Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;
}

export type Value =
  | TensorValue
  | { int: number }
  | { float: number }
  | { linear: TensorValue; bias?: TensorValue }
  | { dict: Record<string, TensorValue> }
  | boolean
  | string
  | null
  | Value[];

/** Implementations of the op vocabulary: the CPU's kernels, those of accelerators, plain TorchScript. */
export type OpSet = "fused" | "device" | "reference";

export interface EngineTest extends NativeBinding {
  /**
   * Compiles functions that may use the op vocabulary (and `W`, the type of a linear's weight). The result calls one of
   * them by name.
   */
  compile(
    source: string,
    options: { ops: OpSet; reference: string },
  ): (name: string, ...args: Value[]) => unknown;
  /** The forward of a TorchScript archive, as anybody runs it. */
  archive(path: string): (...tensors: TensorValue[]) => TensorValue;
  /** For the snippets, which run on the JavaScript thread. */
  setThreads(count: number): void;
  /** How many threads really share the loop of a kernel. */
  threads(): number;
  readonly simulator: Simulator;
}

/**
 * Devices "sim:0", "sim:1", … which every part of the binding takes for accelerators: `devices()` lists them, a program
 * can be placed on them, snippets can move tensors to them. They are host memory and the CPU's kernels, but their memory
 * has a size and runs out, operations that mix them with each other or with the CPU fail, and a copy that need not be
 * waited for happens as late as it may, so that whoever does not wait reads old numbers.
 */
export interface Simulator {
  /**
   * From now on there are as many devices as sizes, in bytes; all counters are 0. Throws while a model is left on the
   * devices that there were.
   */
  devices(sizes: number[]): void;
  read(index: number): SimulatedDevice;
  /** Sets the counters of all devices to 0. */
  reset(): void;
  /** From now on whatever touches the device fails, until `devices` is called. */
  fail(index: number): void;
  /** Whether devices have CUDA's fused attention for packed sequences, until `devices` is called: without it at first. */
  setFusedAttention(available: boolean): void;
  /**
   * The next operation of the device begins only when this many bytes more have come from the host: a test that copies
   * go on while the device computes. It fails after half a minute.
   */
  hold(index: number, bytes: number): void;
}

export interface SimulatedDevice {
  size: number;
  used: number;
  /** What is used, and what was freed but not given back: `free` of `devices()` is `size` without it. */
  reserved: number;
  /** Bytes that came from the host, also where they had to be waited for. */
  hostToDevice: number;
  deviceToHost: number;
  /** Bytes that came from other simulated devices. */
  fromDevices: number;
  /** The part of `hostToDevice` that came from pinned memory without being waited for. */
  asynchronous: number;
  /** Operations that were computed, copies not counted. */
  operations: number;
  mostUsed: number;
  /** Operations that were fused attention. */
  fusedAttention: number;
}

export async function openEngineTest(): Promise<EngineTest> {
  const require = createRequire(import.meta.url);
  const libtorch = (await findLibtorch()).root;
  const build = readEnvironment().addon ?? join(root, "build/Release");
  await openLibtorch(require(join(build, "loader.node")) as LoaderAddon, libtorch);
  const binding = require(join(build, "engine-test.node")) as EngineTest;
  binding.initialize(RewardModelScoreError, undefined, readEnvironment().cpu);
  return binding;
}

export function float32(shape: number[], values: ArrayLike<number>): TensorValue {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

/** Numbers that look random and are the same everywhere, in [-1, 1). */
export function noise(count: number, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2147483648 - 1;
  });
}

/** Bits of the nearest bfloat16. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16);
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<RewardModelScoreError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!RewardModelScoreError.is(error))
    throw new Error(`expected a RewardModelScoreError, got ${String(error)}`);
  return error;
}
