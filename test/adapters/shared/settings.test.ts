import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  duration,
  flag,
  formatDuration,
  host,
  integer,
  name,
  path,
  percent,
  secretReference,
  size,
  zone,
} from '../../../adapters/shared/settings.ts'

const said = (schema: z.ZodType, value: unknown) =>
  schema.safeParse(value).error?.issues.map((issue) => issue.message)

describe('a setting', () => {
  test.each([
    [duration(), '500ms', 500],
    [duration(), '10s', 10_000],
    [duration(), '5m', 300_000],
    [duration(), '8h', 28_800_000],
    [duration(), '30d', 2_592_000_000],
    [size(), '20GB', 20_000_000_000],
    [size(), '64kB', 64_000],
    [integer({ min: 1, max: 65_535 }), '5432', 5432],
    [integer({ min: 0, max: 9 }), '0', 0],
    [percent(), '0.5%', 0.5],
    [percent(), '100%', 100],
    [flag(), true, true],
    [name(), 'purchase-orders', 'purchase-orders'],
    [secretReference(), 'env:K3_PASSWORD', 'env:K3_PASSWORD'],
    [secretReference(), 'file:/run/secrets/k3', 'file:/run/secrets/k3'],
    [zone(), 'Asia/Shanghai', 'Asia/Shanghai'],
    [host(), 'erp-db.corp.example', 'erp-db.corp.example'],
  ] as const)('means what is written: %#', (schema, written, meant) => {
    expect((schema as z.ZodType).parse(written)).toBe(meant)
  })

  test.each([
    [duration(), '10'],
    [duration(), '1.5s'],
    [duration(), '-5s'],
    [duration(), 10],
    [duration({ minMs: 1000 }), '500ms'],
    [size(), '20 GB'],
    [integer({ min: 1, max: 10 }), '11'],
    [integer({ min: 1, max: 10 }), '010'],
    [integer({ min: 1, max: 10 }), '1e1'],
    [integer({ min: 1, max: 10 }), 5],
    [percent(), '101%'],
    [percent(), '1'],
    [flag(), 'yes'],
    [name(), 'PurchaseOrders'],
    [name(), ''],
    [zone(), '+08:00'],
    [zone(), 'Asia/Shanghia'],
    [host(), 'http://x'],
  ] as const)('is refused with one sentence: %#', (schema, written) => {
    const messages = said(schema as z.ZodType, written)
    expect(messages).toHaveLength(1)
    expect(messages?.[0]).toMatch(/^must /)
  })

  test('never repeats a secret that stands where its reference belongs', () => {
    expect(JSON.stringify(said(secretReference(), 'hunter2'))).not.toContain('hunter2')
  })

  test('shows editors what to write', () => {
    const schema = z.strictObject({
      port: integer({ min: 1, max: 65_535 }).default(5432).describe('Port.'),
      password: secretReference().describe('Password.'),
      folder: path().describe('Folder.'),
    })
    expect(z.toJSONSchema(schema, { io: 'input' })).toMatchObject({
      additionalProperties: false,
      required: ['password', 'folder'],
      properties: {
        port: { type: 'integer', minimum: 1, maximum: 65_535, description: 'Port.' },
        password: { type: 'string', secret: true, description: 'Password.' },
        folder: { type: 'string', path: true, description: 'Folder.' },
      },
    })
  })

  test('writes a duration as short as it can', () => {
    expect([0, 1500, 90_000, 86_400_000].map(formatDuration)).toEqual(['0ms', '1500ms', '90s', '1d'])
  })
})
