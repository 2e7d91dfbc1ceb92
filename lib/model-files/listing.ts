/** The files of a model, in a folder or in a repository, by their paths with `/` between the parts. */
export interface Listing {
  has(path: string): boolean | Promise<boolean>;
  /** Of a file that is there. */
  readText(path: string): Promise<string>;
}
