import { expect, test } from 'vitest'
import type { Json } from '../../../adapters/contract.ts'
import { erpgwIn, SITE } from './world.ts'

const HOLD: Json = {
  code: 'SCHEMA_CHANGED',
  message: 'The source has another shape (gone: amount).',
  details: { lost: ['amount'], retyped: [], added: [], fields: { number: 'text' } },
  since: '2026-11-24T05:21:54.270Z',
}

function allowed(isPaused: boolean) {
  const ask = async () => ({ ok: true, value: { hold: HOLD, isPaused } }) as const
  return erpgwIn({ ...SITE, ask }, 'decide', 'erp', 'payments', '--allow', '--reason', 'a new release')
}

test('decide says what it accepted: what was seen when the lane was held', async () => {
  const { code, out } = await allowed(false)
  expect(code).toBe(0)
  expect(out).toMatch(/^allowed; the lane goes on\n/)
  expect(out).toMatch(/seen at 2026-11-24T05:21:54\.270Z, SCHEMA_CHANGED:\n {2}lost:\n {4}amount\n/)
  expect(out).toContain('fields: {"number":"text"}')
})

test('decide says that a lane stands still all the same where it is paused as well', async () => {
  const { out } = await allowed(true)
  expect(out).toMatch(/^allowed; the lane is paused as well and goes on after `erpgw resume erp payments`\n/)
})
