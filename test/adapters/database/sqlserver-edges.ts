import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Transport } from '../../../adapters/database/transport.ts'
import { createReader, recordsOf } from './reader.ts'
import type { Lab } from './sqlserver-lab.ts'

/** Type, value as T-SQL, and the text that must arrive: no float, no zone of this machine, no rounding. */
const VALUES: readonly (readonly [type: string, value: string, text: string])[] = [
  ['tinyint', '255', '255'],
  ['smallint', '-32768', '-32768'],
  ['int', '-2147483648', '-2147483648'],
  ['bigint', '-9223372036854775808', '-9223372036854775808'],
  ['bit', '1', '1'],
  ['bit', '0', '0'],
  ['decimal(38,10)', '1234567890123456789012345678.1000000000', '1234567890123456789012345678.1000000000'],
  ['decimal(12,2)', '-0.10', '-0.10'],
  ['numeric(38,0)', '-99999999999999999999999999999999999999', '-99999999999999999999999999999999999999'],
  ['money', '922337203685477.5807', '922337203685477.5807'],
  ['money', '-0.5', '-0.5000'],
  ['smallmoney', '-214748.3648', '-214748.3648'],
  ['float', '0.1', '0.1'],
  ['float', '1.7976931348623157e308', '1.7976931348623157e+308'],
  ['float', '2.2250738585072014e-308', '2.2250738585072014e-308'],
  ['float', '0.30000000000000004', '0.30000000000000004'],
  ['real', '0.1', '0.1'],
  ['real', '16777216', '16777216'],
  ['real', '3.4028234663852886e38', '3.4028235e+38'],
  ['date', "'0001-01-01'", '0001-01-01'],
  ['date', "'9999-12-31'", '9999-12-31'],
  ['time(7)', "'23:59:59.123456'", '23:59:59.1234560'],
  ['time(0)', "'08:00:00'", '08:00:00'],
  ['datetime', "'1753-01-01'", '1753-01-01 00:00:00.000'],
  ['datetime', "'2026-10-25 02:30:00.123'", '2026-10-25 02:30:00.123'],
  ['datetime', "'9999-12-31 23:59:59.997'", '9999-12-31 23:59:59.997'],
  ['smalldatetime', "'2079-06-06 23:59'", '2079-06-06 23:59:00.000'],
  ['datetime2(7)', "'0001-01-01'", '0001-01-01 00:00:00.0000000'],
  ['datetime2(7)', "'2026-03-01 08:00:00.123456'", '2026-03-01 08:00:00.1234560'],
  ['datetime2(0)', "'9999-12-31 23:59:59'", '9999-12-31 23:59:59'],
  ['datetimeoffset(7)', "'2026-03-01 08:00:00.123456+08:00'", '2026-03-01T00:00:00.1234560Z'],
  ['datetimeoffset(0)', "'2026-03-01 00:30:00-05:30'", '2026-03-01T06:00:00Z'],
  ['char(6)', "'0010'", '0010  '],
  ['varchar(6)', "' 10 '", ' 10 '],
  ['varchar(20) COLLATE Chinese_PRC_CI_AS', "N'采购订单€'", '采购订单€'],
  ['varchar(max)', "'abc'", 'abc'],
  ['nchar(4)', "N'中文'", '中文  '],
  ['nvarchar(20)', "N'中😀''\t'", "中😀'\t"],
  ['nvarchar(max)', "REPLICATE(CAST(N'龍' AS nvarchar(max)), 5000)", '龍'.repeat(5000)],
  ['text', "'abc'", 'abc'],
  ['ntext', "N'中文'", '中文'],
  ['binary(2)', '0x00ff', '0x00FF'],
  ['varbinary(10)', '0x', '0x'],
  ['varbinary(max)', '0xdeadbeef', '0xDEADBEEF'],
  ['image', '0x00ff', '0x00FF'],
  ['uniqueidentifier', "'0e984725-c51c-4bf4-9960-e1c80e27aba0'", '0E984725-C51C-4BF4-9960-E1C80E27ABA0'],
  ['xml', 'N\'<a b="1">中</a>\'', '<a b="1">中</a>'],
  ['hierarchyid', "'/1/2/'", '/1/2/'],
]

/** The type that is told, where it is not written so. */
const TOLD: Readonly<Record<string, string>> = {
  'varchar(20) COLLATE Chinese_PRC_CI_AS': 'varchar(20)',
}

/** Each type at its borders: what the ERP stored arrives as text, exactly, and can be asked for by that text. */
export function testValues(lab: () => Pick<Lab, 'connect' | 'erp'>): void {
  let transport: Transport
  beforeAll(async () => {
    transport = await lab().connect()
  })
  afterAll(() => transport.close())

  test.each(VALUES)('a value of %s arrives exactly: %s', async (type, value, text) => {
    await lab().erp(
      `CREATE TABLE dbo.val (no int PRIMARY KEY, a ${type}, b ${type}); INSERT INTO dbo.val VALUES (1, ${value}, NULL)`,
    )
    const feed = { table: 'dbo.val', key: ['no'], cursor: { strategy: 'snapshot' } }
    const reader = createReader(transport, feed)
    try {
      const [batch] = await reader.poll()
      expect(batch?.fields?.['a']).toBe(TOLD[type] ?? type)
      expect(recordsOf(batch === undefined ? [] : [batch])[0]?.data).toEqual({ no: '1', a: text, b: null })
    } finally {
      await lab().erp('DROP TABLE dbo.val')
    }
  })

  test.each(
    VALUES.filter(([type, , text]) => !/text|image|xml|max|hierarchy|COLLATE/.test(type) && text !== ''),
  )('a key of %s is found again by its text: %s', async (type, value, text) => {
    await lab().erp(`CREATE TABLE dbo.val (a ${type} NOT NULL); INSERT INTO dbo.val VALUES (${value})`)
    const feed = { table: 'dbo.val', key: ['a'], cursor: { strategy: 'snapshot' } }
    const reader = createReader(transport, feed)
    try {
      const [record] = recordsOf(await reader.poll())
      const found = await reader.session.read?.('docs', [record?.key ?? ''], new AbortController().signal)
      expect(found).toEqual([record])
      expect(record?.data['a']).toBe(text)
    } finally {
      await lab().erp('DROP TABLE dbo.val')
    }
  })
}
