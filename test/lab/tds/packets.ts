/** Types of messages (MS-TDS 2.2.3.1.1). */
export const PACKET = {
  batch: 0x01,
  rpc: 0x03,
  answer: 0x04,
  attention: 0x06,
  transaction: 0x0e,
  login: 0x10,
  prelogin: 0x12,
  /** Ours: a message that the client gave up while it sent it. It is answered, and nothing else. */
  ignored: -1,
} as const

export type Message = Readonly<{ type: number; payload: Buffer }>

const HEADER_BYTES = 8
const END_OF_MESSAGE = 0x01
/** The client gave the message up while it was sent. */
const IGNORE = 0x02

/** Puts messages together from the bytes of a connection, in whatever pieces they come. */
export function createMessageReader(): Readonly<{ push(chunk: Buffer): readonly Message[] }> {
  let bytes = Buffer.alloc(0)
  let parts: Buffer[] = []
  return {
    push(chunk) {
      bytes = Buffer.concat([bytes, chunk])
      const messages: Message[] = []
      while (bytes.length >= HEADER_BYTES && bytes.length >= bytes.readUInt16BE(2)) {
        const [type = 0, status = 0] = bytes
        const length = bytes.readUInt16BE(2)
        parts.push(bytes.subarray(HEADER_BYTES, length))
        bytes = bytes.subarray(length)
        if ((status & END_OF_MESSAGE) === 0) continue
        const isIgnored = (status & IGNORE) !== 0
        messages.push({ type: isIgnored ? PACKET.ignored : type, payload: Buffer.concat(parts) })
        parts = []
      }
      return messages
    },
  }
}

/** A message cut into packets. */
export function packetsOf(type: number, payload: Buffer, packetBytes: number): Buffer {
  const room = packetBytes - HEADER_BYTES
  const packets: Buffer[] = []
  for (let at = 0, id = 1; at === 0 || at < payload.length; at += room, id += 1) {
    const body = payload.subarray(at, at + room)
    const header = Buffer.alloc(HEADER_BYTES)
    header[0] = type
    header[1] = at + room >= payload.length ? END_OF_MESSAGE : 0
    header.writeUInt16BE(HEADER_BYTES + body.length, 2)
    header[6] = id % 256
    packets.push(header, body)
  }
  return Buffer.concat(packets)
}
