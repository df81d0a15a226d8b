/**
 * The cost of the sockets alone: a server that answers each read of `shareSize` bytes with one write of `replySize` bytes, and
 * does nothing else. Server and clients are in two processes, so that the server can be measured alone.
 */
import { once } from "node:events"
import { type AddressInfo, connect, createServer } from "node:net"

/** Sizes of SubmitSharesExtended with 8 bytes of extranonce, and of SubmitShares.Success, encrypted with Noise. */
export const SHARE_SIZE = 22 + 33 + 16
export const REPLY_SIZE = 22 + 20 + 16

/** Serves on a free port of this machine. `replies` counts the replies. */
export const serveBare = async (
  replySize = REPLY_SIZE
): Promise<{ readonly port: number; readonly replies: () => number }> => {
  let replies = 0
  const reply = new Uint8Array(replySize)
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy())
    socket.on("data", () => {
      replies++
      socket.write(reply)
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return { port: (server.address() as AddressInfo).port, replies: () => replies }
}

/** Sends on each of several connections, again after each reply, until it is stopped. */
export const askBare = (
  port: number,
  connections: number,
  { replySize, shareSize } = { shareSize: SHARE_SIZE, replySize: REPLY_SIZE }
): (() => void) => {
  const share = new Uint8Array(shareSize)
  const sockets = Array.from({ length: connections }, () => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(share))
    let missing = replySize
    socket.on("error", () => socket.destroy())
    socket.on("data", (chunk) => {
      missing -= chunk.length
      if (missing > 0) return
      missing = replySize
      socket.write(share)
    })
    return socket
  })
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}
