import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  float32,
  noise,
  openEngineTest,
  referenceOps,
  type EngineTest,
  type TensorValue,
  type Value,
} from "./engine-test.js";

let engine: EngineTest;

beforeAll(async () => {
  engine = await openEngineTest();
});

const megabyte = 1 << 20;
beforeEach(() => engine.simulator.devices([megabyte, megabyte]));

/** Runs the body of a function of tensors. */
function run(body: string, ...inputs: TensorValue[]): unknown {
  const parameters = inputs.map((_, index) => `${"xyz"[index]}: Tensor`).join(", ");
  const source = `def f(${parameters}) -> Tensor:\n${body.replaceAll(/^/gm, "    ")}\n`;
  return engine.compile(source, { ops: "reference", reference: referenceOps })("f", ...(inputs as Value[]));
}

const x = float32([4, 8], noise(32, 1));
const y = float32([8, 8], noise(64, 2));

it("is listed with its memory", () => {
  const devices = engine.devices().filter(({ kind }) => kind === "sim");
  expect(devices).toEqual(
    [0, 1].map((index) => ({ name: `sim:${index}`, kind: "sim", total: megabyte, free: megabyte })),
  );
});

it.each([
  "x.matmul(y)",
  "torch.softmax(x * 2.0 + 1.0, 1)",
  "torch.cat([x, x], 0)[1:5, ::2].transpose(0, 1).contiguous()",
  "x.index_select(0, torch.arange(2, device=x.device))",
  "x[:, torch.arange(3, device=x.device)]",
  "torch.linear(x, y)",
  "x.masked_fill(x > 0, 0.0).sum(1)",
  "torch.nonzero(x > 0).float()",
  "x.topk(2, 1)[0].pow(2).mean(-1, keepdim=True)",
  "x.unsqueeze(0).expand([3, -1, -1]).reshape(12, 8).half().float() * 2.0",
  "torch.zeros_like(x).index_add_(0, torch.arange(4, device=x.device), x)",
])("computes %s with the CPU's own bits", (expression) => {
  const inputs = [x, y];
  const onDevice = run(
    `x = x.to("sim:1")\ny = y.to("sim:1")\nz = ${expression}\nassert z.device == x.device\nreturn z`,
    ...inputs,
  );
  expect(onDevice).toEqual(run(`return ${expression}`, ...inputs));
  expect(engine.simulator.read(1).operations).toBeGreaterThan(0);
  expect(engine.simulator.read(1).used).toBe(0);
  expect(engine.simulator.read(0)).toMatchObject({ operations: 0, mostUsed: 0, hostToDevice: 0 });
});

it("counts what crosses", () => {
  run('return x.to("sim:0").to("sim:1")[:2].cpu()', x);
  expect(engine.simulator.read(0)).toMatchObject({ hostToDevice: 128, deviceToHost: 0, fromDevices: 0 });
  expect(engine.simulator.read(1)).toMatchObject({ hostToDevice: 0, deviceToHost: 64, fromDevices: 128 });
  run('return torch.full([1], x.to("sim:0")[0, 0].item())', x);
  expect(engine.simulator.read(0).deviceToHost).toBe(4);
  engine.simulator.reset();
  expect(engine.simulator.read(1)).toMatchObject({ deviceToHost: 0, fromDevices: 0, mostUsed: 0 });
});

describe("operations that mix devices fail", () => {
  it.each([
    ["the CPU", 'return x.to("sim:0").matmul(y)', "cpu"],
    ["the CPU, in a list", 'return torch.cat([x.to("sim:0"), y])', "cpu"],
    ["another device", 'return x.to("sim:0").matmul(y.to("sim:1"))', "sim:1"],
    ["another device, in place", 'z = x.to("sim:0")\nz.add_(x.to("sim:1"))\nreturn z', "sim:1"],
  ])("with %s", (_, body, named) => {
    expect(() => run(body, x, y)).toThrow(/same device/);
    expect(() => run(body, x, y)).toThrow(named);
  });

  it("but for numbers", () => {
    expect(run('return x.to("sim:0") * y[0, 0]', x, y)).toEqual(run("return x * y[0, 0]", x, y));
  });
});

it("runs out of memory, and works again when some is free", () => {
  engine.simulator.devices([512, megabyte]);
  expect(() => run('return torch.empty([x.numel() * 4 + 1], device="sim:0")', x)).toThrow(
    expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }),
  );
  run('return torch.empty([x.numel() * 4], device="sim:0")', x);
  expect(engine.simulator.read(0)).toMatchObject({ used: 0, mostUsed: 512, size: 512 });
});

it("fails for good when it is told to", () => {
  engine.simulator.fail(1);
  for (const body of ['return x.to("sim:1")', 'return torch.empty_like(x, device="sim:1") + 1']) {
    expect(() => run(body, x)).toThrow(expect.objectContaining({ code: "ERR_BACKEND" }));
  }
  expect(run('return x.to("sim:0").cpu()', x)).toEqual(x);
  engine.simulator.devices([megabyte, megabyte]);
  expect(run('return x.to("sim:1").cpu()', x)).toEqual(x);
});

it("copies from pinned memory only when somebody waits", () => {
  const late = `p = torch.empty([4, 8], pin_memory=True)
p.copy_(x)
z = torch.empty([4, 8], device="sim:0")
z.copy_(p, True)
`;
  // The change overtakes the copy.
  expect(run(`${late}p.zero_()\nreturn z.cpu() + p`, x)).toEqual(float32([4, 8], Array(32).fill(0)));
  expect(engine.simulator.read(0)).toMatchObject({ hostToDevice: 128, asynchronous: 128 });
  expect(run(`${late}z.add_(1)\np.zero_()\nreturn z.cpu() + p`, x)).toEqual(run("return x + 1", x));
});
