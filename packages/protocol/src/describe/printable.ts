/**
/**
 * Makes a peer's text safe to show. A peer chooses the bytes of its strings: they could break or forge lines of a log, control a
 * terminal, or show one name as another. (Section 3.5 forbids control characters in codes, but a peer may send them.)
 */

/** For events, names and reasons: replaces each invisible character by U+FFFD. */
export const printable = (text: string): string => text.replace(UNSEEN, "\ufffd")

/** Whether `printable` would leave the text unchanged. */
export const isPrintable = (text: string): boolean => text.search(UNSEEN) < 0

/**
 * For logs, terminals and reports: writes each invisible character as JSON does, such as `\u001b`. JSON on one line stays JSON
 * with the same value.
 */
export const escaped = (text: string): string =>
  text.replace(UNSEEN, (character) => {
    let written = ""
    for (let i = 0; i < character.length; i++) {
      written += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`
    }
    return written
  })

/**
 * Control characters, format characters (those that change the direction of text or join it, and the invisible ones), the
 * separators of lines and paragraphs, and lone surrogates, which stand for bytes that are not UTF-8.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
