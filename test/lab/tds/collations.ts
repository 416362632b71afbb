/** Collations that tests use: how TDS tells them, and the encoding that they mean. */
const COLLATIONS: Readonly<Record<string, Readonly<{ bytes: readonly number[]; encoding: string }>>> = {
  Latin1_General_CI_AS: { bytes: [0x09, 0x04, 0xd0, 0x00, 0x00], encoding: 'windows-1252' },
  Latin1_General_BIN2: { bytes: [0x09, 0x04, 0x00, 0x02, 0x00], encoding: 'windows-1252' },
  Chinese_PRC_CI_AS: { bytes: [0x04, 0x08, 0xd0, 0x00, 0x00], encoding: 'gbk' },
  Chinese_Taiwan_Stroke_CI_AS: { bytes: [0x04, 0x04, 0xd0, 0x00, 0x00], encoding: 'big5' },
}

const DEFAULT_COLLATION = 'Latin1_General_CI_AS'

/** LCID, flags, version and sort id (MS-TDS 2.2.5.1.2). */
export function collationBytes(name: string | undefined): Buffer {
  return Buffer.from(known(name).bytes)
}

/** A text in the code page of a collation; what it does not have becomes a question mark, as in SQL Server. */
export function encodeText(text: string, collation: string | undefined): Buffer {
  const codes = codesOf(known(collation).encoding)
  return Buffer.concat(Array.from(text, (character) => codes.get(character) ?? Buffer.from('?')))
}

function known(name: string | undefined) {
  const collation = COLLATIONS[name ?? DEFAULT_COLLATION]
  if (collation === undefined) throw new Error(`There is no collation ${name} here.`)
  return collation
}

const tables = new Map<string, ReadonlyMap<string, Buffer>>()

/** Node decodes these encodings and encodes none of them, so the table is turned round. */
function codesOf(encoding: string): ReadonlyMap<string, Buffer> {
  const made = tables.get(encoding)
  if (made !== undefined) return made
  const codes = new Map<string, Buffer>()
  const decoder = new TextDecoder(encoding)
  const add = (bytes: readonly number[]) => {
    const text = decoder.decode(Uint8Array.from(bytes))
    if ([...text].length === 1 && text !== '\ufffd' && !codes.has(text)) codes.set(text, Buffer.from(bytes))
  }
  for (let first = 0; first < 256; first += 1) {
    add([first])
    if (encoding !== 'windows-1252' && first > 0x80)
      for (let second = 0x40; second < 256; second += 1) add([first, second])
  }
  tables.set(encoding, codes)
  return codes
}
