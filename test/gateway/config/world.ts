import { z } from 'zod'
import { host, integer, name, path, secretReference, text } from '../../../adapters/shared/settings.ts'
import { type Loaded, loadConfig } from '../../../gateway/config/load.ts'
import type { Knowledge } from '../../../gateway/config/references.ts'
import type { ConfigAdapter } from '../../../gateway/config/schema.ts'
import { type Mistake, mistakesText } from '../../../gateway/mapping/mistake.ts'
import type { Files } from '../../../gateway/ports.ts'

/** An adapter with the shapes that matter to a config: a secret, a union, a default, a feed with faults of its own. */
const toyConnection = z.discriminatedUnion('engine', [
  z.strictObject({
    engine: z.literal('abacus'),
    host: host().describe('Host.'),
    port: integer({ min: 1, max: 65_535 }).prefault('1521').describe('Port.'),
    user: text().describe('Account.'),
    password: secretReference().describe('Password.'),
  }),
  z.strictObject({
    engine: z.literal('ledger'),
    path: path().describe('Folder.'),
    name: text().optional().describe('Name.'),
  }),
])

export const toyAdapter: ConfigAdapter = {
  kind: 'toy',
  summary: 'A toy.',
  connection: toyConnection,
  feed: z.strictObject({
    table: text().optional().describe('Table.'),
    files: text().optional().describe('Files.'),
    key: z.array(text()).min(1).describe('Key columns.'),
  }),
  feedFaults: ({ table, files, key }) => {
    const columns = z.array(z.string()).parse(key)
    const twice = columns.findIndex((column, index) => columns.indexOf(column) !== index)
    return [
      ...(table === undefined && files === undefined
        ? [{ path: ['table'], message: 'either table or files is needed' }]
        : []),
      ...(twice < 0 ? [] : [{ path: ['key', String(twice)], message: 'is there already' }]),
    ]
  },
  traits: ({ files }) => ({
    order: 'per-key',
    deletes: 'invisible',
    replay: files === undefined ? 'from-any-cursor' : 'until-settled',
  }),
  hosts: (connection) => {
    const parsed = z.looseObject({ host: z.string().optional() }).parse(connection)
    return parsed.host === undefined ? [] : [parsed.host]
  },
}

export const otherAdapter: ConfigAdapter = {
  kind: 'drop',
  summary: 'Files.',
  connection: z.strictObject({ path: text().describe('Folder.') }),
  feed: z.strictObject({ pattern: name().describe('Pattern.') }),
  traits: () => ({ order: 'none', deletes: 'by-pass', replay: 'until-settled' }),
  hosts: () => [],
}

/** Files in memory. A text is a file; every folder above a file is there. */
export function memoryFiles(texts: Readonly<Record<string, string>>): Files {
  return {
    read: (path) => (Object.hasOwn(texts, path) ? (texts[path] ?? null) : null),
    list(folder) {
      const inside = Object.keys(texts).filter((path) => path.startsWith(`${folder}/`))
      const names = new Set(inside.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))
      return names.size === 0 ? null : [...names].sort()
    },
  }
}

const MAPPINGS: Readonly<Record<string, string>> = {
  'k3-wise/payment': 'payment',
  'k3-wise/purchase-order': 'purchase-order',
  'k3-wise/stock-level': 'stock-level',
}

/** Three entities, three mappings, and conditions in which the word WRONG is wrong. */
export const knowledge: Knowledge = {
  calendarFolder: '/schemas/calendars',
  knownEntities: ['payment', 'purchase-order', 'stock-level'],
  knownTemplates: ['payment-approved', 'stock-low'],
  knownMappings: () => Object.keys(MAPPINGS),
  mappingEntity: (mapping) => (Object.hasOwn(MAPPINGS, mapping) ? (MAPPINGS[mapping] ?? null) : null),
  mappingMistakes: () => [],
  checkCondition: (entity, condition) =>
    [...condition.matchAll(/WRONG/g)].map(({ index }) => ({
      message: `no field "WRONG" in ${entity}`,
      offset: index,
    })),
}

export type Wish = Readonly<{
  files?: Readonly<Record<string, string>>
  path?: string
  environmentCheck?: boolean
  /** References that have no value. */
  missing?: Readonly<Record<string, string>>
  knowledge?: Knowledge
}>

export function load(yaml: string, wish: Wish = {}): ReturnType<typeof loadConfig> {
  return loadConfig({
    path: wish.path ?? '/etc/erpgw/gateway.yaml',
    files: memoryFiles(wish.files ?? { '/etc/erpgw/gateway.yaml': yaml }),
    secrets: { problem: (reference) => wish.missing?.[reference] ?? null },
    environmentCheck: wish.environmentCheck ?? true,
    adapters: [toyAdapter, otherAdapter],
    knowledge: wish.knowledge ?? knowledge,
  })
}

/** The mistakes, one text each, without the folder that all share. */
export function mistakesOf(yaml: string, wish?: Wish): readonly string[] {
  const loaded = load(yaml, wish)
  return 'mistakes' in loaded ? texts(loaded.mistakes) : []
}

export function loadWell(yaml: string, wish?: Wish): Loaded {
  const loaded = load(yaml, wish)
  if ('mistakes' in loaded) throw new Error(mistakesText(loaded.mistakes))
  return loaded
}

export function texts(mistakes: readonly Mistake[]): readonly string[] {
  return mistakes.map((mistake) => mistakesText([mistake]).replace('/etc/erpgw/', ''))
}

/** A config without mistakes, in which every section is used. */
export const GOOD = `gateway: trading
companies:
  001: { name: Example Trading, currency: HKD, zone: Asia/Hong_Kong }
  1000: { name: Example Manufacturing, currency: CNY, zone: Asia/Shanghai }
data: ./data
log: { driver: embedded, diskMax: 20GB, keep: { rejects: 10d } }
sources:
  k3:
    kind: toy
    system: k3-wise
    company: 001
    connection: { engine: abacus, host: k3db.corp.example, user: reader, password: env:K3_PASSWORD }
    poll: { every: 10s }
    feeds:
      payments:
        mapping: k3-wise/payment
        table: t_payment
        key: [FBillID]
        start: now
      stock:
        mapping: k3-wise/stock-level
        files: "STOCK*.csv"
        key: [FItemID, FStockID]
        poll: { at: "0 2 * * *" }
        fuse: { deleted: { atLeast: 50, percent: 5% }, created: 200 }
people:
  buyer-sz: { dingtalk: 0181234567, language: zh-CN, company: 1000 }
roles:
  purchasing-manager:
    - { of: { company: 1000 }, people: [buyer-sz] }
dingtalk:
  app: { clientId: env:DT_CLIENT_ID, clientSecret: env:DT_CLIENT_SECRET, robotCode: robot-1 }
  groups:
    purchasing: { webhook: env:DT_WEBHOOK, secret: env:DT_SECRET, language: zh-CN }
routes:
  payment-approved:
    on: payment
    from: [k3]
    when: changed.status && data.status.code == "approved"
    to: [{ role: purchasing-manager }, { group: purchasing }]
    template: payment-approved
`

/** The good config with some of its words replaced; each must be there. */
export function good(...changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`The config does not hold ${from}`)
    return text.replace(from, () => to)
  }, GOOD)
}
