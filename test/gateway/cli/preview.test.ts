import { expect, test } from 'vitest'
import type { World } from '../../../gateway/cli/world.ts'
import { erpgwIn, SITE } from './world.ts'

test('preview of nothing says what was looked for', async () => {
  const found = { entity: 'payment', key: [], fields: {}, records: [], missing: [], warnings: [] }
  const source = { request: async () => found, close: async () => undefined }
  const inspect = (() => source) as unknown as World['inspect']
  const { code, out } = await erpgwIn({ ...SITE, inspect }, 'preview', 'erp', 'payments')
  expect(code).toBe(0)
  expect(out).toContain('0 records as erp.payment.v1')
  expect(out).toContain('Nothing is there: path /site/drop, files *.csv')
})
