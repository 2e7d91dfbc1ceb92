import * as v from "valibot";

/**
 * What is wrong inside a value that may have one of several forms: "expected Array but received Array" helps nobody, so
 * the form that was meant is taken to be the one whose complaint lies inside the value.
 */
export function innermostIssue(issue: v.BaseIssue<unknown>): {
  place: string | undefined;
  issue: v.BaseIssue<unknown>;
} {
  const place = v.getDotPath(issue) ?? undefined;
  const inside = issue.issues?.find(({ path }) => path !== undefined);
  if (inside === undefined) return { place, issue };
  const inner = innermostIssue(inside);
  return { place: [place, inner.place].filter((part) => part !== undefined).join("."), issue: inner.issue };
}
