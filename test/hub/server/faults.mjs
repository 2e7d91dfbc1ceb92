/**
 * @typedef {object} Fault
 * @property {"info" | "tree" | "resolve" | "cdn"} on which kind of request fails
 * @property {string} [path] only requests for this file of the repository
 * @property {number} [times] how often, 1 unless told; then the fault is over
 * @property {number} [skip] so many matching requests pass before the first fault
 * @property {number} [status] answer with this status instead
 * @property {Record<string, string>} [headers] with `status`
 * @property {string | object} [body] with `status`
 * @property {number} [stallAfter] send so many bytes of the body and then nothing, keeping the connection
 * @property {number} [resetAfter] send so many bytes of the body and then reset the connection
 * @property {number} [truncateTo] end the body in good order after so many bytes, announcing no length
 * @property {boolean} [wrongBytes] flip a bit in every slice of the body
 * @property {{ bytes: number, everyMs: number }} [drip] send the body in small bits
 * @property {boolean} [ignoreRange] answer 200 with the whole file whatever the Range
 * @property {boolean} [moveBranch] put a new commit on the branch just after this answer
 * @property {string} [redirect] answer 302 with this Location
 */

export class Faults {
  /** @type {(Fault & { left: number, toSkip: number })[]} */ #active = [];

  /** @param {Fault} fault */
  add(fault) {
    this.#active.push({ ...fault, left: fault.times ?? 1, toSkip: fault.skip ?? 0 });
  }

  clear() {
    this.#active = [];
  }

  /**
   * @param {Fault["on"]} kind
   * @param {string | undefined} path
   * @returns {Fault | undefined}
   */
  take(kind, path) {
    for (const fault of this.#active) {
      if (fault.on !== kind || fault.left === 0 || (fault.path !== undefined && fault.path !== path))
        continue;
      if (fault.toSkip > 0) {
        fault.toSkip -= 1;
        continue;
      }
      fault.left -= 1;
      return fault;
    }
    return undefined;
  }
}
