/**
 * Encoding a message once for all connections that it is sent to. The encoded form is remembered by the identity of the
 * message object, and for as long as that object lives.
 */

/**
 * Gives `encode` with a memory. Neither the message nor what is returned may be changed afterwards. What `encode` throws is
 * not remembered.
 */
export const encodeOnce = <Message, Encoded extends object | string>(
  encode: (message: Message) => Encoded
): ((message: Message) => Encoded) => {
  const remembered = new WeakMap<WeakKey, Encoded>()
  return (message) => {
    const known = remembered.get(message as WeakKey)
    if (known !== undefined) return known
    const encoded = encode(message)
    remembered.set(message as WeakKey, encoded)
    return encoded
  }
}
