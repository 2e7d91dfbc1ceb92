/** An address as it may appear in a message: without credentials, and without the query, which may hold a signature. */
export function publicUrl(url: URL | string): string {
  if (!URL.canParse(String(url))) return "(not a URL)";
  const { protocol, host, pathname } = new URL(String(url));
  return `${protocol}//${host}${pathname}`;
}
