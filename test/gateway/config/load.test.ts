import { describe, expect, test } from 'vitest'
import { MISTAKES_MAX } from '../../../gateway/config/load.ts'
import { GOOD, knowledge, load, loadWell, mistakesOf, texts } from './world.ts'

/** The good config with some of its words replaced; each must be there. */
function good(...changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`The config does not hold ${from}`)
    return text.replace(from, () => to)
  }, GOOD)
}

test('turns a file into the effective config', () => {
  const { config, notices } = loadWell(GOOD)
  expect(notices).toEqual([])
  const { sources, ...house } = config
  expect(house).toEqual({
    gateway: 'trading',
    data: '/etc/erpgw/data',
    companies: {
      '001': { name: 'Example Trading', currency: 'HKD', zone: 'Asia/Hong_Kong' },
      '1000': { name: 'Example Manufacturing', currency: 'CNY', zone: 'Asia/Shanghai' },
    },
    log: {
      driver: 'embedded',
      partitions: 6,
      diskMaxBytes: 20_000_000_000,
      keep: {
        historyMs: 30 * 86_400_000,
        rejectsMs: 10 * 86_400_000,
        deliveriesMs: 90 * 86_400_000,
        auditMs: 400 * 86_400_000,
      },
    },
    mappings: [],
    workersMax: 16,
    people: {
      'buyer-sz': { dingtalk: '0181234567', language: 'zh-CN', zone: 'Asia/Shanghai', company: '1000' },
    },
    roles: { 'purchasing-manager': [{ of: { company: '1000' }, people: ['buyer-sz'] }] },
    dingtalk: {
      api: 'https://api.dingtalk.com',
      oapi: 'https://oapi.dingtalk.com',
      app: { clientId: 'env:DT_CLIENT_ID', clientSecret: 'env:DT_CLIENT_SECRET', robotCode: 'robot-1' },
      groups: {
        purchasing: {
          kind: 'webhook',
          webhook: 'env:DT_WEBHOOK',
          secret: 'env:DT_SECRET',
          language: 'zh-CN',
        },
      },
    },
    routes: {
      'payment-approved': {
        name: 'payment-approved',
        entity: 'payment',
        actions: ['created', 'changed'],
        from: ['k3'],
        when: 'changed.status && data.status.code == "approved"',
        to: [
          { kind: 'role', role: 'purchasing-manager' },
          { kind: 'group', group: 'purchasing' },
        ],
        as: 'message',
        template: 'payment-approved',
        origins: ['live', 'sweep'],
        maxAgeMs: 86_400_000,
      },
    },
  })
  expect(sources).toEqual({
    k3: {
      name: 'k3',
      kind: 'toy',
      system: 'k3-wise',
      company: '001',
      zone: 'Asia/Hong_Kong',
      connection: {
        engine: 'abacus',
        host: 'k3db.corp.example',
        port: 1521,
        user: 'reader',
        password: 'env:K3_PASSWORD',
      },
      feeds: {
        payments: {
          name: 'payments',
          mapping: 'k3-wise/payment',
          start: 'now',
          poll: { everyMs: 10_000 },
          fuse: {
            deleted: { atLeast: 10, percent: 5 },
            changed: null,
            created: null,
            rejected: { atLeast: 5, percent: 1 },
          },
          adapter: { table: 't_payment', key: ['FBillID'] },
        },
        stock: {
          name: 'stock',
          mapping: 'k3-wise/stock-level',
          start: 'all',
          poll: { at: '0 2 * * *' },
          fuse: {
            deleted: { atLeast: 50, percent: 5 },
            changed: null,
            created: { atLeast: 200, percent: 0 },
            rejected: { atLeast: 5, percent: 1 },
          },
          adapter: { files: 'STOCK*.csv', key: ['FItemID', 'FStockID'] },
        },
      },
    },
  })
})

test('gives a config that can be handed to a worker thread', () => {
  const { config } = loadWell(GOOD)
  expect(structuredClone(config)).toEqual(config)
  expect(JSON.parse(JSON.stringify(config))).toEqual(config)
})

test('a config with five mistakes reports five mistakes, in the order of the file', () => {
  const bad = good(
    ['currency: CNY', 'currency: yuan'],
    ['company: 001', 'company: 002'],
    ['poll: { every: 10s }', 'pol: { every: 10s }'],
    ['key: [FBillID]', 'key: FBillID'],
    ['data.status.code == "approved"', 'data.WRONG == "approved"'],
  )
  expect(mistakesOf(bad)).toEqual([
    'gateway.yaml:4:50 companies.1000.currency: must be a currency code of three capital letters, like CNY',
    'gateway.yaml:11:14 sources.k3.company: there is no company "002" (did you mean "001"?)',
    'gateway.yaml:13:5 sources.k3.pol: is not a known key (did you mean "poll"?); allowed: kind, system, company, zone, connection, poll, feeds',
    'gateway.yaml:18:14 sources.k3.feeds.payments.key: must be a list, [a, b] or lines that begin with a hyphen, not text',
    'gateway.yaml:39:34 routes.payment-approved.when: no field "WRONG" in payment',
  ])
})

describe('says of one slip where it is, what is wrong, and what is near', () => {
  test.each<readonly [string, string, string, string]>([
    [
      'an unknown section',
      'gateway: trading',
      'gatway: trading',
      '1:1 gatway: is not a known key (did you mean "gateway"?); allowed: gateway, companies, data, log, mappings, workersMax, people, roles, dingtalk, routes, sources',
    ],
    [
      'a section of a later version',
      'data: ./data',
      'queries: {}',
      '5:1 queries: is not a known key (valid: companies, data, dingtalk, gateway, log, mappings, people, roles, routes, sources, workersMax)',
    ],
    [
      'a missing key',
      ', currency: HKD',
      '',
      '3:3 companies.001.currency: is missing; it must be a currency code like CNY',
    ],
    [
      'an empty value',
      'system: k3-wise',
      'system:',
      '10:12 sources.k3.system: is empty; it must be a name in kebab-case, or the line must go',
    ],
    [
      'a list for a text',
      'host: k3db.corp.example',
      'host: [a]',
      '12:41 sources.k3.connection.host: must be text',
    ],
    [
      'a boolean for a text',
      'host: k3db.corp.example',
      'host: true',
      '12:41 sources.k3.connection.host: must be text',
    ],
    [
      'a text for a group',
      'log: { driver: embedded, diskMax: 20GB, keep: { rejects: 10d } }',
      'log: embedded',
      '6:6 log: must be a group of "key: value" lines, not text',
    ],
    [
      'a zone',
      'Asia/Shanghai',
      'Asia/Shanghi',
      '4:61 companies.1000.zone: must be a time zone like Asia/Shanghai (did you mean "Asia/Shanghai"?)',
    ],
    [
      'an offset for a zone',
      'Asia/Shanghai',
      '"+08:00"',
      '4:61 companies.1000.zone: must be a time zone like Asia/Shanghai',
    ],
    [
      'an adapter',
      'kind: toy',
      'kind: tooy',
      '9:11 sources.k3.kind: cannot be "tooy" (did you mean "toy"?); allowed: toy, drop',
    ],
    ['no adapter', '    kind: toy\n', '', '8:3 sources.k3.kind: is missing; it must be one of toy, drop'],
    [
      'an engine',
      'engine: abacus',
      'engine: abakus',
      '12:27 sources.k3.connection.engine: cannot be "abakus" (did you mean "abacus"?); allowed: abacus, ledger',
    ],
    [
      'a log driver',
      'driver: embedded',
      'driver: kafka',
      '6:16 log.driver: cannot be "kafka" (valid: embedded)',
    ],
    [
      'a name with capitals',
      'payments:',
      'Payments:',
      '15:7 sources.k3.feeds.Payments: cannot be used as a name: it must be in kebab-case: lower-case letters, digits and hyphens, like purchase-orders',
    ],
    [
      'a duration',
      'every: 10s',
      'every: 10',
      '13:20 sources.k3.poll.every: must be a duration like 500ms, 10s, 5m, 8h or 30d, not "10"',
    ],
    [
      'two schedules',
      'every: 10s',
      'every: 10s, at: "0 2 * * *"',
      '13:11 sources.k3.poll: must have one of every, at; not every and at together',
    ],
    [
      'a cron line',
      '"0 2 * * *"',
      '"0 25 * * *"',
      '24:21 sources.k3.feeds.stock.poll.at: must be a cron line of five fields (minute hour day month weekday), like "0 2 * * *", not "0 25 * * *"',
    ],
    [
      'a cron line with seconds',
      '"0 2 * * *"',
      '"0 0 2 * * *"',
      '24:21 sources.k3.feeds.stock.poll.at: must be a cron line of five fields (minute hour day month weekday), like "0 2 * * *", not "0 0 2 * * *"',
    ],
    [
      'a day that never comes',
      '"0 2 * * *"',
      '"0 2 30 2 *"',
      '24:21 sources.k3.feeds.stock.poll.at: must be a time that comes; this one never does',
    ],
    [
      'a start',
      'start: now',
      'start: yesterday',
      '19:16 sources.k3.feeds.payments.start: must be all, now or since <value>, not "yesterday"',
    ],
    [
      'a fuse',
      'created: 200',
      'created: few',
      '25:65 sources.k3.feeds.stock.fuse.created: must be a percentage like 5%, a number of records, off, or { atLeast: 50, percent: 5% } for the greater of both',
    ],
    [
      'half a fuse',
      '{ atLeast: 50, percent: 5% }',
      '{ atLeast: 50, percent: 5 }',
      '25:50 sources.k3.feeds.stock.fuse.deleted.percent: must be a percentage from 0% to 100%, like 1% or 0.5%, not "5"',
    ],
    [
      'no fuse for rejects',
      'created: 200',
      'rejected: off',
      '25:66 sources.k3.feeds.stock.fuse.rejected: cannot be off: a feed that understands nothing must stop',
    ],
    [
      'a check of the adapter',
      '        table: t_payment\n',
      '',
      '15:7 sources.k3.feeds.payments.table: either table or files is needed',
    ],
    [
      'a company of a source',
      'company: 001',
      'company: 0001',
      '11:14 sources.k3.company: there is no company "0001" (did you mean "001"?)',
    ],
    [
      'a company from the record without a zone',
      'company: 001',
      'company: from-record',
      '8:3 sources.k3.zone: is missing; with company: from-record no company says it',
    ],
    [
      'a mapping',
      'k3-wise/stock-level',
      'k3-wise/stock-levels',
      '21:18 sources.k3.feeds.stock.mapping: there is no mapping "k3-wise/stock-levels" (did you mean "k3-wise/stock-level"?)',
    ],
    [
      'a path for a mapping',
      'k3-wise/payment',
      '../payment',
      '16:18 sources.k3.feeds.payments.mapping: must be the name of a mapping in kebab-case, like k3-wise/payment, without .yaml',
    ],
    [
      'a person',
      'people: [buyer-sz]',
      'people: [buyer-hk]',
      '30:41 roles.purchasing-manager[0].people[0]: there is no person "buyer-hk" (did you mean "buyer-sz"?)',
    ],
    [
      'a company of a person',
      'company: 1000 }\nroles',
      'company: 100 }\nroles',
      '27:63 people.buyer-sz.company: there is no company "100" (did you mean "1000"?)',
    ],
    [
      'a company of a role',
      'of: { company: 1000 }',
      'of: { company: 2000 }',
      '30:24 roles.purchasing-manager[0].of.company: there is no company "2000" (did you mean "1000"?)',
    ],
    [
      'a person without a zone',
      ', company: 1000 }\nroles',
      ' }\nroles',
      '27:3 people.buyer-sz.zone: is missing; a person without a company needs a time zone',
    ],
    [
      'a role',
      'role: purchasing-manager',
      'role: purchase-manager',
      '40:18 routes.payment-approved.to[0].role: there is no role "purchase-manager" (did you mean "purchasing-manager"?)',
    ],
    [
      'a group',
      '{ group: purchasing }',
      '{ group: purchase }',
      '40:49 routes.payment-approved.to[1].group: there is no group "purchase" (valid: purchasing)',
    ],
    [
      'a person of a route',
      '{ group: purchasing }',
      '{ person: buyer }',
      '40:50 routes.payment-approved.to[1].person: there is no person "buyer" (valid: buyer-sz)',
    ],
    [
      'a destination of two',
      '{ group: purchasing }',
      '{ group: purchasing, person: buyer-sz }',
      '40:40 routes.payment-approved.to[1]: must have one of role, person, group; not person and group together',
    ],
    [
      'a source of a route',
      'from: [k3]',
      'from: [k2]',
      '38:12 routes.payment-approved.from[0]: there is no source "k2" (did you mean "k3"?)',
    ],
    [
      'an entity',
      'on: payment',
      'on: payments',
      '37:9 routes.payment-approved.on: there is no entity "payments" (did you mean "payment"?)',
    ],
    [
      'an action',
      'on: payment',
      'on: payment.removed',
      '37:9 routes.payment-approved.on: must be an entity alone or with created, changed, deleted behind a dot, not "payment.removed"',
    ],
    [
      'a template',
      'template: payment-approved',
      'template: payment-aproved',
      '41:15 routes.payment-approved.template: there is no template "payment-aproved" (did you mean "payment-approved"?)',
    ],
    [
      'a group of two kinds',
      'webhook: env:DT_WEBHOOK',
      'conversation: cid1, webhook: env:DT_WEBHOOK',
      '34:17 dingtalk.groups.purchasing: must have one of webhook, conversation; not webhook and conversation together',
    ],
    [
      'a signature without a webhook',
      'webhook: env:DT_WEBHOOK',
      'conversation: cid1',
      '34:47 dingtalk.groups.purchasing.secret: belongs to a webhook; there is none',
    ],
    [
      'an origin without its region',
      'dingtalk:\n',
      'dingtalk:\n  api: https://api.example.com\n',
      '32:8 dingtalk.api: needs region: custom beside it',
    ],
    [
      'a region without origins',
      'dingtalk:\n',
      'dingtalk:\n  region: custom\n  oapi: https://oapi.example.com\n',
      '31:1 dingtalk.api: is missing; region custom needs both origins',
    ],
    [
      'an origin that is a page',
      'dingtalk:\n',
      'dingtalk:\n  region: custom\n  api: https://a.example/v1\n  oapi: https://oapi.example.com\n',
      '33:8 dingtalk.api: must be an origin like https://api.example.com, with nothing behind it',
    ],
    [
      'an open origin elsewhere',
      'dingtalk:\n',
      'dingtalk:\n  region: custom\n  api: http://a.example\n  oapi: https://oapi.example.com\n',
      '33:8 dingtalk.api: must begin with https://; http:// is for this machine alone',
    ],
  ])('%s', (_, from, to, expected) => {
    expect(mistakesOf(good([from, to]))).toEqual([`gateway.yaml:${expected}`])
  })
})

test('says what else is wrong with a source whose adapter is unknown', () => {
  const bad = good(
    ['kind: toy', 'kind: tooy'],
    ['system: k3-wise', 'sistem: k3-wise'],
    ['every: 10s', 'every: soon'],
  )
  expect(mistakesOf(bad).map((text) => text.split(' ')[1])).toEqual([
    'sources.k3.system:',
    'sources.k3.kind:',
    'sources.k3.sistem:',
    'sources.k3.poll.every:',
  ])
})

test('checks a condition even where the entity is misspelt, if one is meant beyond doubt', () => {
  const bad = good(['on: payment', 'on: paymnt'], ['data.status', 'data.WRONG'])
  expect(mistakesOf(bad)).toEqual([
    'gateway.yaml:37:9 routes.payment-approved.on: there is no entity "paymnt" (did you mean "payment"?)',
    'gateway.yaml:39:34 routes.payment-approved.when: no field "WRONG" in payment',
  ])
})

test('says what an adapter finds wrong with a feed as a whole, whatever else is wrong in the file', () => {
  const bad = good(
    ['key: [FItemID, FStockID]', 'key: [FItemID, FItemID]\n        start: since 2026-01-01'],
    ['system: k3-wise', 'system: K3'],
  )
  expect(mistakesOf(bad)).toEqual([
    'gateway.yaml:10:13 sources.k3.system: must be in kebab-case: lower-case letters, digits and hyphens, like purchase-orders',
    'gateway.yaml:23:24 sources.k3.feeds.stock.key[1]: is there already',
    'gateway.yaml:24:16 sources.k3.feeds.stock.start: must be all: this feed can only be read from its beginning',
  ])
})

test('brings along the mistakes of a mapping that cannot be used, once', () => {
  const broken = {
    ...knowledge,
    mappingEntity: () => null,
    mappingMistakes: (name: string) => [
      { file: `/etc/erpgw/${name}.yaml`, line: 7, column: 3, field: 'fields.number', message: 'is no field' },
    ],
  }
  const bad = good(['k3-wise/stock-level', 'k3-wise/payment'])
  expect(mistakesOf(bad, { knowledge: broken })).toEqual([
    'gateway.yaml:16:18 sources.k3.feeds.payments.mapping: the mapping "k3-wise/payment" cannot be used: its file has mistakes',
    'gateway.yaml:21:18 sources.k3.feeds.stock.mapping: the mapping "k3-wise/payment" cannot be used: its file has mistakes',
    'k3-wise/payment.yaml:7:3 fields.number: is no field',
  ])
})

test('lists every secret that is not there, where it is wanted', () => {
  const missing = { 'env:K3_PASSWORD': 'is not set', 'env:DT_SECRET': 'is empty' }
  expect(mistakesOf(GOOD, { missing })).toEqual([
    'gateway.yaml:12:84 sources.k3.connection.password: is not set',
    'gateway.yaml:34:52 dingtalk.groups.purchasing.secret: is empty',
  ])
})

test('looks for no secret where the environment is not to be checked', () => {
  expect(mistakesOf(GOOD, { missing: { 'env:K3_PASSWORD': 'is not set' }, environmentCheck: false })).toEqual(
    [],
  )
})

test('refuses a reference where it would be taken for the value', () => {
  const bad = good(
    ['host: k3db.corp.example', 'host: env:K3_HOST'],
    ['table: t_payment', 'table: file:/etc/table'],
    ['robotCode: robot-1', 'robotCode: env:DT_ROBOT'],
  )
  expect(mistakesOf(bad, { environmentCheck: false })).toEqual([
    'gateway.yaml:12:41 sources.k3.connection.host: takes no reference; only secrets do. Write the value itself',
    'gateway.yaml:17:16 sources.k3.feeds.payments.table: takes no reference; only secrets do. Write the value itself',
  ])
})

test('shows no more mistakes than anybody mends at once', () => {
  const many = Array.from({ length: 1_000 }, (_, index) => `unknown-${index}: 1\n`).join('')
  const mistakes = mistakesOf(many + GOOD)
  expect(mistakes.length).toBe(MISTAKES_MAX + 1)
  expect(mistakes.at(-1)).toBe('gateway.yaml:201:1 and 800 more from here on; mend those above first')
})

test('never repeats what may be a secret in the wrong place', () => {
  const canary = 'hunter2-canary'
  const places = [
    good(['env:K3_PASSWORD', canary]),
    good(['env:DT_CLIENT_SECRET', `"${canary}"`]),
    good(['env:DT_WEBHOOK', `https://oapi.example/robot/send?access_token=${canary}`]),
    good(['env:DT_SECRET', `[${canary}]`]),
    good(['env:K3_PASSWORD', `"${canary}`]),
    good(['env:K3_PASSWORD', `&${canary} x`]),
    good(['env:K3_PASSWORD', `*${canary}`]),
    good(['env:K3_PASSWORD', `!${canary} x`]),
    good(['env:K3_PASSWORD', `"\\q${canary}"`]),
    good(['env:K3_PASSWORD', `${canary}: x`]),
  ]
  for (const bad of places) {
    const mistakes = mistakesOf(bad)
    expect(mistakes.length).toBeGreaterThan(0)
    expect(mistakes.join('\n')).not.toContain(canary)
  }
})

test('refuses a company code that is the word of a source', () => {
  expect(
    mistakesOf(good(['  001:', '  from-record: { name: X, currency: CNY, zone: UTC }\n  001:'])),
  ).toEqual([
    'gateway.yaml:3:16 companies.from-record: is a word of sources (company: from-record), not a code',
  ])
})

test('asks for the app where a message goes to persons or conversations', () => {
  const app =
    '  app: { clientId: env:DT_CLIENT_ID, clientSecret: env:DT_CLIENT_SECRET, robotCode: robot-1 }\n'
  expect(mistakesOf(good([app, '']))).toEqual([
    'gateway.yaml:39:10 routes.payment-approved.to[0]: needs dingtalk.app: only a webhook works without one',
  ])
})

test('points out what is allowed but hardly meant', () => {
  const twins = good(['k3-wise/stock-level', 'k3-wise/payment'])
  expect(texts(loadWell(twins).notices)).toEqual([
    'gateway.yaml:21:18 sources.k3.feeds.stock.mapping: publishes payment of k3-wise as k3.payments does; a record that both hold stops one of them',
  ])
  const unheard = good(['k3-wise/payment', 'k3-wise/purchase-order'])
  expect(texts(loadWell(unheard).notices)).toEqual([
    'gateway.yaml:37:9 routes.payment-approved.on: nobody is told: no feed of these sources publishes payment',
  ])
  const unreachable = good([
    '    - { of: { company: 1000 }, people',
    '    - { people: [buyer-sz] }\n    - { people',
  ])
  expect(texts(loadWell(unreachable).notices)).toEqual([
    'gateway.yaml:31:7 roles.purchasing-manager[1]: is never used: the line before it fits every event',
  ])
})

test('takes the names of things that objects are born with as names that are not there', () => {
  for (const name of ['constructor', 'to-string', 'valueOf', '__proto__'])
    expect(mistakesOf(good(['role: purchasing-manager', `role: ${name}`]))[0]).toContain(
      `there is no role "${name}"`,
    )
})

test('keeps every code as it is written', () => {
  const { config } = loadWell(
    good([
      '  001: {',
      '  1E3: { name: no, currency: CNY, zone: UTC }\n  1.10: { name: on, currency: CNY, zone: UTC }\n  0010: { name: 2026-01-01, currency: CNY, zone: UTC }\n  001: {',
    ]),
  )
  expect(Object.keys(config.companies).sort()).toEqual(['001', '0010', '1.10', '1000', '1E3'])
  expect(config.companies['1E3']?.name).toBe('no')
  expect(config.companies['0010']?.name).toBe('2026-01-01')
})

test('refuses to guess where a relative path would start', () => {
  expect(() => load(GOOD, { path: 'gateway.yaml' })).toThrow(/must be absolute/)
})
