const RESPONSE = 0x04
const ENCRYPTION = 0x01
const TERMINATOR = 0xff
const HEADER_BYTES = 8

/** What a server may answer to a client that wants everything encrypted. */
const ENCRYPTED = [0x01, 0x03]

type Wire = Readonly<{
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  off(event: 'data', listener: (chunk: Buffer) => void): unknown
  destroy(error: Error): unknown
}>

/**
 * Destroys the socket, and tells why, when the server says that it will not encrypt: tedious 19 would then send the
 * password in the clear, and anybody between could say so. It must listen before tedious does.
 */
export function insistOnEncryption(socket: Wire, tell: (why: Error) => void): void {
  let seen = Buffer.alloc(0)
  const look = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk])
    const answer = encryptionIn(seen)
    if (answer === 'more') return
    socket.off('data', look)
    if (answer !== null && ENCRYPTED.includes(answer)) return
    const why = Object.assign(new Error('the server does not encrypt; `encrypt: false` needs a reason'), {
      code: 'EENCRYPT',
    })
    tell(why)
    socket.destroy(why)
  }
  socket.on('data', look)
}

/** The encryption that an answer to PRELOGIN tells (MS-TDS 2.2.6.5); null where there is none in it. */
function encryptionIn(bytes: Buffer): number | 'more' | null {
  if (bytes.length < HEADER_BYTES) return 'more'
  if (bytes[0] !== RESPONSE) return null
  if (bytes.length < bytes.readUInt16BE(2)) return 'more'
  for (let at = HEADER_BYTES; at + 5 <= bytes.length && bytes[at] !== TERMINATOR; at += 5) {
    if (bytes[at] === ENCRYPTION) return bytes[HEADER_BYTES + bytes.readUInt16BE(at + 1)] ?? null
  }
  return null
}
