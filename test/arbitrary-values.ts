/**
 * What a program may pass where something else is expected. Values are made when they are asked for: fast-check looks into
 * those that it hands out, which some of these do not bear.
 */
import fc from "fast-check";

type Make<T> = () => T;

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

/** A function that throws something, not always an error. */
const throwing = fc
  .constantFrom<unknown[]>(new Error("mine"), undefined, Symbol("mine"), { message: 5 }, null)
  .map((what) => (): never => {
    throw what;
  });

/** Objects that do something else when they are looked at. */
const hostile: fc.Arbitrary<Make<unknown>> = fc.oneof(
  fc.constant(() => Symbol("a symbol")),
  anything.map((value) => () => () => value),
  anything.map((value) => () => Promise.resolve(value)),
  anything.map((value) => () => Object.freeze({ ...(value as object) })),
  fc.constantFrom({}, []).map((target) => () => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  }),
  fc
    .tuple(fc.constantFrom("get", "has", "ownKeys", "getOwnPropertyDescriptor", "getPrototypeOf"), throwing)
    .map(
      ([trap, fail]) =>
        () =>
          new Proxy({}, { [trap]: fail }),
    ),
  fc.tuple(fc.constantFrom("then", "length", Symbol.iterator, Symbol.toStringTag, "toJSON"), throwing).map(
    ([name, get]) =>
      () =>
        Object.defineProperty({}, name, { get, enumerable: true }),
  ),
);

export const anyValue: fc.Arbitrary<Make<unknown>> = fc.oneof(
  { weight: 3, arbitrary: anything.map((value) => () => value) },
  { weight: 2, arbitrary: hostile },
);

/** `good` with some of these members, each of which may be anything or throw when it is read. */
export function membersOf(names: readonly string[], good: object = {}): fc.Arbitrary<Make<object>> {
  const member = fc.option(
    fc.oneof(
      anyValue.map((make) => (): PropertyDescriptor => ({ value: make() })),
      throwing.map((get) => (): PropertyDescriptor => ({ get })),
    ),
  );
  return fc.tuple(...names.map(() => member)).map((members) => () => {
    const object = { ...good };
    members.forEach((make, i) => {
      if (make) Object.defineProperty(object, names[i]!, { ...make(), enumerable: true, configurable: true });
    });
    return object;
  });
}
