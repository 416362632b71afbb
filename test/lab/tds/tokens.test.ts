import sql from 'mssql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Fault, TdsServer } from './server.ts'
import { startTdsServer } from './server.ts'
import { parseType } from './values.ts'

// The client is mssql as it is published, so what it reads was written as the protocol says.

let server: TdsServer
let pool: sql.ConnectionPool

beforeAll(async () => {
  server = await startTdsServer({ engine: null, user: 'sa', password: 'p' })
  pool = await new sql.ConnectionPool({
    server: '127.0.0.1',
    port: server.port,
    user: 'sa',
    password: 'p',
    database: 'erp',
    options: { encrypt: false },
  }).connect()
})

afterAll(async () => {
  await pool.close()
  await server.stop()
})

const EMPTY = { columns: [], rows: [], rowCount: 0 }

/** What the server says to SELECT statements of a test; those of the pool itself change nothing. */
function saying(fault: Fault): void {
  server.setFault((statement) => (/^SELECT( @p1| slow)?$/.test(statement) ? fault : EMPTY))
}

/** Type, value as text, and what mssql makes of it, which is not always exact. */
const VALUES: readonly (readonly [string, string, unknown])[] = [
  ['tinyint', '255', 255],
  ['smallint', '-32768', -32_768],
  ['int', '-2147483648', -2_147_483_648],
  ['bigint', '-9223372036854775808', '-9223372036854775808'],
  ['bit', '1', true],
  ['decimal(9,2)', '-1234567.89', -1_234_567.89],
  ['decimal(19,0)', '9999999999', 9_999_999_999],
  ['decimal(28,4)', '123456789.5000', 123_456_789.5],
  ['numeric(38,10)', '0.5000000000', 0.5],
  ['money', '-922337203685.4775', -922_337_203_685.4775],
  ['smallmoney', '214748.3647', 214_748.3647],
  ['float', '0.1', 0.1],
  ['real', '0.5', 0.5],
  ['date', '0001-01-01', new Date('0001-01-01T00:00:00Z')],
  ['time(0)', '23:59:59', new Date('1970-01-01T23:59:59Z')],
  ['time(7)', '08:00:00.1230000', new Date('1970-01-01T08:00:00.123Z')],
  ['datetime', '9999-12-31 23:59:59.997', new Date('9999-12-31T23:59:59.997Z')],
  ['datetime', '1753-01-01 00:00:00.000', new Date('1753-01-01T00:00:00Z')],
  ['smalldatetime', '2079-06-06 23:59:00', new Date('2079-06-06T23:59:00Z')],
  ['datetime2(3)', '2026-03-01 08:00:00.123', new Date('2026-03-01T08:00:00.123Z')],
  ['datetime2(7)', '9999-12-31 23:59:59.9990000', new Date('9999-12-31T23:59:59.999Z')],
  ['datetimeoffset(4)', '2026-03-01 00:00:00.5000@480', new Date('2026-03-01T00:00:00.5Z')],
  ['char(4)', 'ab', 'ab  '],
  ['varchar(10)', 'naïve', 'naïve'],
  ['varchar(max)', 'x'.repeat(9000), 'x'.repeat(9000)],
  ['nchar(3)', '中', '中  '],
  ['nvarchar(10)', '中😀', '中😀'],
  ['nvarchar(max)', '龍'.repeat(5000), '龍'.repeat(5000)],
  ['nvarchar(max)', '', ''],
  ['text', 'abc', 'abc'],
  ['ntext', '中文', '中文'],
  ['image', '\\x00ff', Buffer.from([0, 255])],
  ['binary(4)', '\\x00010203', Buffer.from([0, 1, 2, 3])],
  ['varbinary(10)', '\\x', Buffer.alloc(0)],
  ['varbinary(max)', '\\xff00', Buffer.from([255, 0])],
  ['rowversion', '\\x00000000000007d1', Buffer.from([0, 0, 0, 0, 0, 0, 7, 0xd1])],
  ['uniqueidentifier', '0e984725-c51c-4bf4-9960-e1c80e27aba0', '0E984725-C51C-4BF4-9960-E1C80E27ABA0'],
  ['xml', '<a/>', '<a/>'],
  ['sql_variant', 'anything', 'anything'],
]

test.each(VALUES)(
  '%s is written so that mssql reads it, null among nulls and null alone',
  async (written, text, value) => {
    const type = parseType(written) ?? { base: '' }
    const columns = [true, true, false].map((isNullable, index) => ({ name: `c${index}`, type, isNullable }))
    saying({
      columns,
      rows: [
        [text, null, text],
        [null, null, text],
      ],
      rowCount: 2,
    })
    const { recordset } = await pool.request().query('SELECT')
    expect(recordset[0]).toEqual({ c0: value, c1: null, c2: value })
    expect(recordset[1]).toEqual({ c0: null, c1: null, c2: value })
  },
)

test('a text under a Chinese collation travels in code page 936', async () => {
  const type = parseType('varchar(20)', 'Chinese_PRC_CI_AS') ?? { base: '' }
  const columns = [{ name: 'name', type, isNullable: true }]
  saying({ columns, rows: [['采购订单€'], ['😀?']], rowCount: 2 })
  const { recordset } = await pool.request().query('SELECT')
  expect(recordset.map(({ name }) => name)).toEqual(['采购订单€', '??'])
})

test('a prepared statement is run by its handle, with the parameters of each time', async () => {
  const columns = [{ name: 'a', type: { base: 'int' }, isNullable: false }]
  saying({ columns, rows: [['7']], rowCount: 1 })
  const statement = new sql.PreparedStatement(pool)
  statement.input('p1', sql.NVarChar(40))
  await statement.prepare('SELECT @p1')
  expect((await statement.execute({ p1: '中' })).recordset).toEqual([{ a: 7 }])
  await statement.unprepare()
  expect(server.statements.at(-1)).toBe('SELECT @p1')
})

test('an error comes with its number, and the connection serves the next statement', async () => {
  saying({ number: 1205, message: 'Deadlock.' })
  await expect(pool.request().query('SELECT')).rejects.toMatchObject({ number: 1205, message: 'Deadlock.' })
  saying({ columns: [], rows: [], rowCount: 0 })
  await pool.request().query('SELECT')
})

test('a statement that stalls is stopped by an attention, and the connection serves the next one', async () => {
  saying('stall')
  const request = pool.request()
  const asked = request.query('SELECT slow')
  const stopped = expect(asked).rejects.toMatchObject({ code: 'ECANCEL' })
  await expect.poll(() => server.statements.at(-1)).toBe('SELECT slow')
  request.cancel()
  await stopped
  saying(EMPTY)
  await pool.request().query('SELECT')
})
