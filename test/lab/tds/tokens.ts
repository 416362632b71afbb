import { collationBytes } from './collations.ts'
import type { SqlType } from './values.ts'
import { encodeValue, longText, shortText, typeInfo, uint16, uint32 } from './values.ts'

export type Column = Readonly<{ name: string; type: SqlType; isNullable: boolean }>

export type SqlError = Readonly<{ number: number; message: string; class?: number; state?: number }>

const SERVER = 'tds-lab'

/** COLMETADATA (MS-TDS 2.2.7.4). */
export function columnsToken(columns: readonly Column[]): Buffer {
  const each = columns.map(({ name, type, isNullable }) =>
    Buffer.concat([
      // The user type tells a rowversion from other binary(8).
      uint32(type.base === 'rowversion' ? 80 : 0),
      uint16((isNullable ? 0x01 : 0) | (type.base === 'rowversion' ? 0 : 0x08)),
      typeInfo(type, isNullable),
      shortText(name),
    ]),
  )
  return Buffer.concat([Buffer.from([0x81]), uint16(columns.length), ...each])
}

/** ROW, or NBCROW, which tells the nulls in bits: SQL Server sends it where a row has many. */
export function rowToken(columns: readonly Column[], row: readonly (string | null)[]): Buffer {
  const nulls = row.filter((value) => value === null).length
  const values = (isWanted: (value: string | null) => boolean) =>
    columns.flatMap(({ type, isNullable }, index) => {
      const value = row[index] ?? null
      return isWanted(value) ? [encodeValue(type, isNullable, value)] : []
    })
  if (nulls * 2 <= columns.length) return Buffer.concat([Buffer.from([0xd1]), ...values(() => true)])
  const bits = Buffer.alloc(Math.ceil(columns.length / 8))
  for (const index of columns.keys())
    if ((row[index] ?? null) === null) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7))
  return Buffer.concat([Buffer.from([0xd2]), bits, ...values((value) => value !== null)])
}

export const DONE = { done: 0xfd, procedure: 0xfe, inProcedure: 0xff } as const
export const STATUS = { more: 0x01, error: 0x02, count: 0x10, attention: 0x20 } as const

export function doneToken(kind: number, status: number, rows = 0): Buffer {
  const count = Buffer.alloc(8)
  count.writeBigUInt64LE(BigInt(rows))
  return Buffer.concat([Buffer.from([kind]), uint16(status), uint16(0xc1), count])
}

/** ERROR, or INFO below class 11. */
export function messageToken({ number, message, class: severity = 16, state = 1 }: SqlError): Buffer {
  const body = Buffer.concat([
    uint32(number),
    Buffer.from([state, severity]),
    longText(message),
    shortText(SERVER),
    shortText(''),
    uint32(1),
  ])
  return Buffer.concat([Buffer.from([severity > 10 ? 0xaa : 0xab]), uint16(body.length), body])
}

const CHANGES = { database: 1, packetBytes: 4, collation: 7, begin: 8, commit: 9, rollback: 10 } as const

/** ENVCHANGE with texts. */
export function changeToken(change: 'database' | 'packetBytes', now: string, before: string): Buffer {
  return environment(CHANGES[change], shortText(now), shortText(before))
}

export function collationToken(): Buffer {
  const bytes = collationBytes(undefined)
  return environment(CHANGES.collation, Buffer.concat([Buffer.from([bytes.length]), bytes]), Buffer.from([0]))
}

/** Says that a transaction began or ended; a client names it in each request by eight bytes. */
export function transactionToken(change: 'begin' | 'commit' | 'rollback', descriptor: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from([8]), descriptor])
  const none = Buffer.from([0])
  return change === 'begin'
    ? environment(CHANGES.begin, named, none)
    : environment(CHANGES[change], none, named)
}

export function loginToken(): Buffer {
  const body = Buffer.concat([
    Buffer.from([1, 0x74, 0x00, 0x00, 0x04]),
    shortText('Microsoft SQL Server'),
    Buffer.from([11, 0, 0x0c, 0x38]),
  ])
  return Buffer.concat([Buffer.from([0xad]), uint16(body.length), body])
}

export function returnStatusToken(): Buffer {
  return Buffer.concat([Buffer.from([0x79]), uint32(0)])
}

/** An output parameter of type int. */
export function returnValueToken(name: string, value: number): Buffer {
  const type = { base: 'int' }
  return Buffer.concat([
    Buffer.from([0xac]),
    uint16(0),
    shortText(name),
    Buffer.from([1]),
    uint32(0),
    uint16(1),
    typeInfo(type, true),
    encodeValue(type, true, String(value)),
  ])
}

function environment(type: number, now: Buffer, before: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from([0xe3]),
    uint16(1 + now.length + before.length),
    Buffer.from([type]),
    now,
    before,
  ])
}
