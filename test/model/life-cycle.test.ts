import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { LifeCycle } from "#lib/model/life-cycle.js";

interface Resource {
  close(): Promise<void>;
}

const resource: Resource = { close: () => Promise.resolve() };

const LISTENERS = ["none", "quiet", "throws", "rejects", "slow"] as const;

type Step =
  | { kind: "load"; listener: (typeof LISTENERS)[number] }
  /** Which of the loads so far; the later ones count from the end. */
  | { kind: "abort"; which: number }
  | { kind: "unload" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("load" as const), listener: fc.constantFrom(...LISTENERS) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("abort" as const), which: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "unload" as const }) },
);

/** What becomes of one opening after another; the last one is repeated. */
const openings = fc.array(fc.constantFrom("opens", "fails"), { minLength: 1, maxLength: 4 });

interface Caller {
  reason: Error;
  mine: Error;
  abort: () => void;
  aborted: boolean;
  overtaken: boolean;
  listener: (typeof LISTENERS)[number];
  told: number;
  /** Whether something was loaded when `load` said so. */
  found?: boolean;
  result?: "loaded" | { error: unknown };
}

/** A life cycle of things that take long to open and to close, and that must never be there twice. */
function fake(scheduler: fc.Scheduler, outcomes: readonly string[]) {
  const world = {
    alive: 0,
    opened: 0,
    closed: 0,
    signals: [] as AbortSignal[],
    failure: new Error("does not open"),
  };
  const lifeCycle = new LifeCycle<Resource, number>(async (signal, tell) => {
    const outcome = outcomes[Math.min(world.signals.length, outcomes.length - 1)];
    world.signals.push(signal);
    expect(++world.alive).toBe(1);
    for (let news = 0; news < 2; news++) {
      await scheduler.schedule(Promise.resolve(), "opening");
      tell(news);
    }
    // Like a native load, it may not look at the signal at all.
    await scheduler.schedule(Promise.resolve(), "opened");
    if (outcome === "fails") {
      world.alive--;
      throw world.failure;
    }
    world.opened++;
    return {
      close: async () => {
        await scheduler.schedule(Promise.resolve(), "closing");
        world.closed++;
        world.alive--;
      },
    };
  });
  return { world, lifeCycle };
}

function call(lifeCycle: LifeCycle<Resource, number>, listener: Caller["listener"], scheduler: fc.Scheduler) {
  const controller = new AbortController();
  const caller: Caller = {
    reason: new Error("gave up"),
    mine: new Error("listener"),
    abort: () => {
      caller.aborted = true;
      controller.abort(caller.reason);
    },
    aborted: false,
    overtaken: false,
    listener,
    told: 0,
  };
  const onProgress = (): unknown => {
    caller.told++;
    if (listener === "throws") throw caller.mine;
    if (listener === "rejects") return Promise.reject(caller.mine);
    return listener === "slow" ? scheduler.schedule(Promise.resolve(), "listening") : undefined;
  };
  const loading = lifeCycle.load({ signal: controller.signal, ...(listener !== "none" && { onProgress }) });
  void loading.then(
    () => {
      caller.result = "loaded";
      caller.found = lifeCycle.resource !== undefined;
    },
    (error: unknown) => (caller.result = { error }),
  );
  return caller;
}

/** Runs everything that is scheduled, and what follows from it, to its end. */
async function settle(scheduler: fc.Scheduler): Promise<void> {
  do {
    await scheduler.waitAll();
    await setImmediate();
  } while (scheduler.count() > 0);
}

describe("LifeCycle", () => {
  it("is right in whatever order its methods are called and things come to their end", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", listen);
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(step, { maxLength: 8 }),
        openings,
        async (scheduler, steps, outcomes) => {
          const { world, lifeCycle } = fake(scheduler, outcomes);
          const callers: Caller[] = [];
          const unloads: Promise<void>[] = [];
          let unloaded = 0;
          const waiting = () => callers.filter(({ result }) => result === undefined);
          const sequence = scheduler.scheduleSequence(
            steps.map((next) => ({
              label: JSON.stringify(next),
              builder: async () => {
                // What has come to its end has been told to those who wait.
                await setImmediate();
                if (next.kind === "load") callers.push(call(lifeCycle, next.listener, scheduler));
                else if (next.kind === "abort") callers.at(-1 - next.which)?.abort();
                else {
                  for (const caller of waiting()) caller.overtaken = true;
                  unloaded = callers.length;
                  unloads.push(lifeCycle.unload());
                  expect(lifeCycle.resource).toBeUndefined();
                }
              },
            })),
          );
          await settle(scheduler);
          await sequence.task;
          await Promise.all(unloads);

          for (const caller of callers) {
            const { result, mine, reason } = caller;
            expect(result).toBeDefined();
            if (result === "loaded") {
              expect(caller).toMatchObject({ found: true, overtaken: false });
              continue;
            }
            // An error of its own, or what concerns all of them.
            const { error } = result!;
            if (error === reason) expect(caller.aborted).toBe(true);
            else if (error === mine) expect(["throws", "rejects"]).toContain(caller.listener);
            else if (RewardModelScoreError.is(error, "ERR_NOT_LOADED")) expect(caller.overtaken).toBe(true);
            else expect(error).toBe(world.failure);
          }
          const failing = callers.filter(({ listener }) => listener === "throws" || listener === "rejects");
          for (const { told, result } of failing) if (told > 0) expect(result).not.toBe("loaded");

          // Something is there if somebody was told so after the last unload, and nothing else is.
          const told = callers.slice(unloaded).some(({ result }) => result === "loaded");
          expect(lifeCycle.resource !== undefined).toBe(told);
          expect(world.opened - world.closed).toBe(told ? 1 : 0);
          // Whatever nobody waited for any more was told to stop.
          expect(world.signals.filter(({ aborted }) => !aborted)).toHaveLength(told ? 1 : 0);
          const last = lifeCycle.unload();
          await settle(scheduler);
          await last;
          expect(lifeCycle.resource).toBeUndefined();
          expect(world).toMatchObject({ alive: 0, closed: world.opened });
        },
      ),
      { numRuns: 500 },
    );
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    "begins anew for whoever tries again at once, also beside another who came %d turns after the failure",
    async (turns) => {
      let openings = 0;
      const lifeCycle = new LifeCycle<Resource, number>(async () => {
        await setImmediate();
        if (++openings > 1) return resource;
        void (async () => {
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          await lifeCycle.load({}).catch(() => {});
        })();
        throw new Error("the first one fails");
      });
      await lifeCycle.load({}).catch(() => lifeCycle.load({}));
      expect(openings).toBe(2);
    },
  );

  it("keeps what one caller was told of when another gives up", async () => {
    const controller = new AbortController();
    const lifeCycle = new LifeCycle<Resource, number>(async (_signal, tell) => {
      await setImmediate();
      tell(1);
      return resource;
    });
    const leaving = lifeCycle.load({ signal: controller.signal, onProgress: () => new Promise(() => {}) });
    await lifeCycle.load({});
    controller.abort(new Error("enough"));
    await expect(leaving).rejects.toThrow("enough");
    expect(lifeCycle.resource).toBe(resource);
  });

  it("waits for what a listener promises", async () => {
    let done = false;
    const lifeCycle = new LifeCycle<Resource, number>((_signal, tell) => {
      tell(1);
      return Promise.resolve(resource);
    });
    await lifeCycle.load({ onProgress: () => setImmediate().then(() => (done = true)) });
    expect(done).toBe(true);
  });
});
