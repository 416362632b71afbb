import { expect, test } from 'vitest'
import type { Json } from '../../../adapters/contract.ts'
import type { GatewayStatus } from '../../../gateway/gateway.ts'
import { erpgwIn, SITE } from './world.ts'

function status(publisher: GatewayStatus['publisher']) {
  const value: GatewayStatus = { gateway: 'test', since: '2026-11-24T05:00:00.000Z', sources: [], publisher }
  const ask = async () => ({ ok: true as const, value: value as unknown as Json })
  return erpgwIn({ ...SITE, ask }, 'status')
}

test('status tells what ended the publisher, and fails while it does not run', async () => {
  const partitions = [{ topic: 'erp.payment.v1', partition: 2, position: 7, open: 1 }]
  const well = await status({ partitions, trouble: null })
  expect(well.code).toBe(0)
  expect(well.out).toContain('publisher erp.payment.v1/2: at 7, 1 notices open')
  const sick = await status({ partitions, trouble: 'The template x is missing.' })
  expect(sick.code).toBe(1)
  expect(sick.out).toContain('publisher failed, and is started again: The template x is missing.')
})
