import { spend } from "./budget.js";
import { Undefined, type Value } from "./values.js";

/** Names of one block; a name that it does not set is looked up in the block around it. */
export class Scope {
  readonly #names = new Map<string, Value>();

  constructor(readonly parent?: Scope) {}

  get(name: string): Value {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    let scope: Scope | undefined = this;
    do {
      const value = scope.#names.get(name);
      if (value !== undefined) return value;
      spend(1);
      scope = scope.parent;
    } while (scope !== undefined);
    return new Undefined(`'${name}' is undefined`);
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}
