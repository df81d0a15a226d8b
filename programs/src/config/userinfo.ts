/**
 * Removes the user and password of a URL, which stand before the @, from a text that is shown. The text need not be a valid URL:
 * often it is shown because it is not.
 */
export const withoutUserinfo = (text: string): string => {
  const at = text.lastIndexOf("@")
  return at < 0 ? text : `...${text.slice(at)}`
}
