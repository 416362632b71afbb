import { expect, test } from 'vitest'
import type { ControlRequest } from '../../../gateway/control/protocol.ts'
import { createFiles } from '../../../gateway/node/files.ts'
import { erpgwIn, SITE } from './world.ts'

const packaged = createFiles()

/** What the gateway is asked where the mapping of the site is changed so. */
async function asked(change: (mapping: string) => string, ...argv: readonly string[]) {
  const requests: ControlRequest[] = []
  const files = {
    ...packaged,
    read: (path: string) => {
      const text = SITE.files.read(path)
      return text !== null && path.endsWith('demo-trading/payment.yaml') ? change(text) : text
    },
  }
  const { code, err } = await erpgwIn(
    {
      ...SITE,
      files,
      async ask(_, request) {
        requests.push(request)
        return { ok: true, value: { tried: 0, published: 0, rejectedAgain: 0, readsAgain: true } }
      },
    },
    ...argv,
  )
  return { code, err, mapping: requests.map((request) => ('mapping' in request ? request.mapping : null))[0] }
}

const same = (text: string) => text
const edited = (text: string) => text.replace('number: payment_no', 'number: fiscal_year')

test.each([
  ['rejects retry', ['rejects', 'retry', 'erp', 'payments']],
  ['remap', ['remap', 'erp', 'payments', '--publish']],
])('%s says under which version of the mapping it is asked for', async (_, argv) => {
  const before = await asked(same, ...argv)
  expect(before).toMatchObject({ code: 0, mapping: expect.any(String) })
  expect((await asked(same, ...argv)).mapping).toBe(before.mapping)
  expect((await asked(edited, ...argv)).mapping).not.toBe(before.mapping)
})

test('a mapping with mistakes is told with its place, and nobody is asked', async () => {
  const broken = (text: string) => text.replace(/^fields:$/m, 'fields:\n  nonsense: { from: x, as: text }')
  const { code, err, mapping } = await asked(broken, 'rejects', 'retry', 'erp', 'payments')
  expect({ code, mapping }).toEqual({ code: 2, mapping: undefined })
  expect(err).toMatch(/payment\.yaml:\d+:\d+ .*nonsense/)
})
