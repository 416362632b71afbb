import { expect, test } from 'vitest'
import type { World } from '../../../gateway/cli/world.ts'
import { createFiles } from '../../../gateway/node/files.ts'
import { erpgwIn, SITE } from './world.ts'

const packaged = createFiles()

/** The site with a second source, of another mapping; each mapping may be altered. */
function siteOf(alter: Readonly<Record<string, (text: string) => string>>): Pick<World, 'folder' | 'files'> {
  const second = (text: string) =>
    `${text}${text
      .slice(text.indexOf('  erp:\n'))
      .replace('  erp:', '  two:')
      .replace('system: shop', 'system: shop-two')
      .replace('demo-trading/payment', 'demo-trading/partner')}`
  return {
    folder: SITE.folder,
    files: {
      ...packaged,
      read(path) {
        const text = SITE.files.read(path)
        if (text === null) return null
        if (path === '/site/gateway.yaml') return second(text)
        const name = Object.keys(alter).find((mapping) => path.endsWith(`${mapping}.yaml`))
        return name === undefined ? text : (alter[name]?.(text) ?? text)
      },
    },
  }
}

const nonsense = (text: string) => text.replace(/^fields:$/m, 'fields:\n  nonsense: { from: x, as: text }')

function inspect(reason: (source: string) => string | null): World['inspect'] {
  return ((_config: unknown, _language: unknown, source: string) => ({
    close: async () => undefined,
    request: async () => {
      const why = reason(source)
      return why === null ? { ok: true } : { ok: false, reason: why }
    },
  })) as unknown as World['inspect']
}

test('a source that cannot be reached keeps no other from being checked, nor a data folder that cannot be', async () => {
  const { code, out } = await erpgwIn(
    {
      ...siteOf({}),
      inspect: inspect((source) => (source === 'erp' ? 'No connection to erp-db.' : null)),
      folderProblem: () => 'no',
    },
    'check',
  )
  expect(code).toBe(1)
  expect(out).toContain('✗ data folder')
  expect(out).toContain('✗ source erp: No connection to erp-db.')
  expect(out).toContain('✓ source two can be read')
})

test('mistakes in every mapping are told at once, and what does not need them is checked all the same', async () => {
  const alter = { 'demo-trading/payment': nonsense }
  const { code, out, err } = await erpgwIn(
    { ...siteOf(alter), inspect: inspect(() => 'No connection to erp-db.') },
    'check',
  )
  expect(code).toBe(2)
  expect(err).toMatch(/payment\.yaml:\d+:\d+ .*nonsense/)
  expect(out).toContain('– source erp was not asked; mend its mapping first')
  expect(out).toContain('✗ source two: No connection to erp-db.')
  const both = await erpgwIn(siteOf({ ...alter, 'demo-trading/partner': nonsense }), 'run')
  expect(both.code).toBe(2)
  expect(both.err).toMatch(/payment\.yaml[\s\S]*partner\.yaml/)
})

test('what is not safe is told as a warning, and so is a calendar that soon knows no more', async () => {
  const days = Array.from({ length: 2 }, (_, index) => `${2024 + index}-01-01,holiday,New Year`)
  const site = siteOf({})
  const { code, out } = await erpgwIn(
    {
      folder: site.folder,
      files: {
        ...site.files,
        read(path) {
          if (path === '/site/days.csv') return `date,kind,name\n${days.join('\n')}\n`
          const text = site.files.read(path)
          if (path !== '/site/gateway.yaml' || text === null) return text
          const freeze = '{ from: "last-workday 18:00", to: "first-workday 12:00" }'
          const own = `calendars:\n  own: { holidays: ./days.csv, zone: UTC, freeze: ${freeze} }\n`
          return `${own}${text}`.replace('    zone: UTC\n', '    zone: UTC\n    calendar: own\n')
        },
      },
      inspect: (() => ({
        close: async () => undefined,
        request: async () => ({
          ok: true,
          warnings: ['The account may write.'],
          notes: ['All is new.'],
          missing: {},
        }),
      })) as unknown as World['inspect'],
    },
    'check',
  )
  expect(out).toContain(
    '  WARNING: The calendar own knows no official days of 2026. Add them to /site/days.csv',
  )
  expect(out).toContain('  WARNING: The account may write.\n  note: All is new.\n')
  expect(code).toBe(0)
})
