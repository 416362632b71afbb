import { expect, test } from 'vitest'
import { createReader, recordsOf } from './reader.ts'
import type { TableSource } from './tables.ts'

/** Values of a type: each as SQL writes it, and the text that must arrive. */
export type Edge = Readonly<{
  type: string
  values: readonly (readonly [written: string, arrives: string | null])[]
}>

/** Values at the borders of their types arrive exactly: no float, no zone of this machine, no rounding. */
export function testEdges(edges: readonly Edge[], makeSource: () => Promise<TableSource>): void {
  test.for(edges)('values of the type $type arrive as they are', async ({ type, values }) => {
    const source = await makeSource()
    try {
      const table = `${source.schema}.edge`
      await source.erp(`CREATE TABLE [${table}] ([no] int PRIMARY KEY, [value] ${type})`)
      for (const [no, [value]] of values.entries())
        await source.erp(`INSERT INTO [${table}] VALUES (${no}, ${value})`)
      const feed = { table, key: ['no'], cursor: { strategy: 'snapshot' } }
      const reader = createReader(await source.transport(), feed)
      const records = recordsOf(await reader.poll())
      expect(records.map(({ data }) => data['value'])).toEqual(values.map(([, arrives]) => arrives))
      const keys = records.map(({ key }) => key)
      expect(await reader.session.read?.('docs', keys, new AbortController().signal)).toEqual(records)
    } finally {
      await source.drop()
    }
  })
}
