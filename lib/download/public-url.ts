/**
 * An address as it may appear in a message: without credentials, and without the query, which may hold a signature. Of
 * what is no web address only what cannot be a credential is shown.
 */
export function publicUrl(url: URL | string): string {
  const text = String(url);
  if (!/^\w+:\/\//.test(text) || !URL.canParse(text))
    return text.replace(/^.*@/s, "…@").replace(/[?#].*$/s, "");
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}
