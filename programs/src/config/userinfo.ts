/**
 * For what is shown of a text that was given: without the user and password that stand before the @ of a URL. It need not be
 * a URL that can be parsed: that it cannot be is why it is shown.
 */
export const withoutUserinfo = (text: string): string => {
  const at = text.lastIndexOf("@")
  return at < 0 ? text : `...${text.slice(at)}`
}
