/** What a client may want encrypted, and what a server answers (MS-TDS 2.2.6.5). */
export const ENCRYPTION = { off: 0x00, on: 0x01, unsupported: 0x02, required: 0x03 } as const

const TERMINATOR = 0xff

/** The encryption that the client asks for. */
export function readPrelogin(payload: Buffer): number {
  for (let at = 0; payload[at] !== TERMINATOR && at + 5 <= payload.length; at += 5) {
    if (payload[at] === 0x01) return payload[payload.readUInt16BE(at + 1)] ?? ENCRYPTION.unsupported
  }
  return ENCRYPTION.unsupported
}

/** The server's answer: SQL Server 2012 by its version. */
export function writePrelogin(encryption: number): Buffer {
  const version = Buffer.from([11, 0, 0x0c, 0x38, 0, 0])
  const head = Buffer.from([0, 0, 11, 0, version.length, 1, 0, 11 + version.length, 0, 1, TERMINATOR])
  return Buffer.concat([head, version, Buffer.from([encryption])])
}

export type Login = Readonly<{
  user: string
  password: string
  database: string
  appName: string
  packetBytes: number
  readOnlyIntent: boolean
}>

/** Reads LOGIN7 (MS-TDS 2.2.6.4). */
export function readLogin(payload: Buffer): Login {
  const raw = (at: number) => {
    const from = payload.readUInt16LE(at)
    return payload.subarray(from, from + payload.readUInt16LE(at + 2) * 2)
  }
  const text = (at: number) => raw(at).toString('utf16le')
  return {
    packetBytes: payload.readUInt32LE(8),
    readOnlyIntent: ((payload[26] ?? 0) & 0x20) !== 0,
    user: text(40),
    // Each byte with its halves changed over and then turned by 0xA5: hidden from nobody.
    password: Buffer.from(raw(44).map((byte) => swapped(byte ^ 0xa5))).toString('utf16le'),
    appName: text(48),
    database: text(68),
  }
}

function swapped(byte: number): number {
  return ((byte << 4) & 0xf0) | (byte >> 4)
}
