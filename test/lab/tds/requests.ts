/** A parameter of a procedure; texts and numbers are all that a test sends. */
export type Parameter = Readonly<{ name: string; value: string | null; isOutput: boolean }>

export type Call = Readonly<{ procedure: number | string; parameters: readonly Parameter[] }>

/** Procedures that have numbers (MS-TDS 2.2.6.6). */
export const PROCEDURES = { execute: 12, executeSql: 10, prepare: 11, unprepare: 15 } as const

/** The text of a SQL batch. */
export function readBatch(payload: Buffer): string {
  return withoutHeaders(payload).toString('utf16le')
}

/** Reads a call of a procedure. Throws on a type that no test sends. */
export function readCall(payload: Buffer): Call {
  const reader = createReader(withoutHeaders(payload))
  const length = reader.uint16()
  const procedure = length === 0xffff ? reader.uint16() : reader.text(length)
  reader.uint16()
  const parameters: Parameter[] = []
  while (!reader.isAtEnd()) {
    const name = reader.text(reader.uint8())
    const isOutput = (reader.uint8() & 0x01) !== 0
    parameters.push({ name, isOutput, value: readValue(reader) })
  }
  return { procedure, parameters }
}

export type TransactionRequest = Readonly<
  { kind: 'begin'; isolation: number } | { kind: 'commit' } | { kind: 'rollback' } | { kind: 'other' }
>

/** Reads a transaction manager request (MS-TDS 2.2.6.9). */
export function readTransaction(payload: Buffer): TransactionRequest {
  const reader = createReader(withoutHeaders(payload))
  switch (reader.uint16()) {
    case 5:
      return { kind: 'begin', isolation: reader.uint8() }
    case 7:
      return { kind: 'commit' }
    case 8:
      return { kind: 'rollback' }
    default:
      return { kind: 'other' }
  }
}

/** Before the request stand headers, the transaction that it belongs to among them. */
function withoutHeaders(payload: Buffer): Buffer {
  return payload.subarray(payload.readUInt32LE(0))
}

type Reader = ReturnType<typeof createReader>

function createReader(bytes: Buffer) {
  let at = 0
  const take = (length: number) => {
    const from = at
    at += length
    return bytes.subarray(from, at)
  }
  return {
    isAtEnd: () => at >= bytes.length,
    uint8: () => take(1).readUInt8(0),
    uint16: () => take(2).readUInt16LE(0),
    uint32: () => take(4).readUInt32LE(0),
    uint64: () => take(8).readBigUInt64LE(0),
    bytes: take,
    text: (length: number) => take(length * 2).toString('utf16le'),
  }
}

const NVARCHAR = 0xe7
const INTEGER = 0x26
const BIT = 0x68
const MAX = 0xffff
const NO_VALUE = 0xffff_ffff_ffff_ffffn

function readValue(reader: Reader): string | null {
  const type = reader.uint8()
  switch (type) {
    case NVARCHAR: {
      const most = reader.uint16()
      reader.bytes(5)
      if (most === MAX) return readChunks(reader)
      const length = reader.uint16()
      return length === MAX ? null : reader.bytes(length).toString('utf16le')
    }
    case INTEGER:
    case BIT: {
      reader.uint8()
      const length = reader.uint8()
      return length === 0 ? null : String(reader.bytes(length).readIntLE(0, Math.min(length, 6)))
    }
    default:
      throw new Error(`A parameter has the type 0x${type.toString(16)}, which nothing here sends.`)
  }
}

function readChunks(reader: Reader): string | null {
  if (reader.uint64() === NO_VALUE) return null
  const chunks: Buffer[] = []
  for (let length = reader.uint32(); length > 0; length = reader.uint32()) chunks.push(reader.bytes(length))
  return Buffer.concat(chunks).toString('utf16le')
}
