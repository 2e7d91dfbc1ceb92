/** A path with `/` between its parts that stays below the folder it is put in, on any operating system. */
export function isRelativeName(path: string): boolean {
  return (
    path.length > 0 &&
    path.length <= 1024 &&
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    !/[\u0000-\u001f\u007f-\u009f\\:]/.test(path) &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}
