import { expect, test } from 'vitest'
import { MISTAKES_MAX } from '../../../gateway/config/load.ts'
import { GOOD, good, knowledge, load, loadWell, mistakesOf, texts } from './world.ts'

test('turns a file into the effective config, with defaults filled in', () => {
  const { config, notices } = loadWell(GOOD)
  expect(notices).toEqual([])
  const { sources: _, ...house } = config
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
        statementsMs: 400 * 86_400_000,
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
})

test('gives each source and feed what it inherits, and its adapter what is its own', () => {
  const { sources } = loadWell(GOOD).config
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
          sweep: { everyMs: 86_400_000 },
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
          sweep: { everyMs: 86_400_000 },
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
    'gateway.yaml:13:5 sources.k3.pol: is not a known key (did you mean "poll"?); allowed: kind, system, company, zone, connection, poll, calendar, blackout, feeds',
    'gateway.yaml:18:14 sources.k3.feeds.payments.key: must be a list, [a, b] or lines that begin with a hyphen, not text',
    'gateway.yaml:39:34 routes.payment-approved.when: no field "WRONG" in payment',
  ])
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
    'gateway.yaml:21:18 sources.k3.feeds.stock.mapping: publishes payment of k3-wise as k3.payments does; a record that both hold stops one of them. Let each feed read records of its own, or give one source another system',
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

test('reads a path of a connection from where the config lies, as its adapter declares it, and no other text', () => {
  const connection = (written: string) => {
    const abacus = '{ engine: abacus, host: k3db.corp.example, user: reader, password: env:K3_PASSWORD }'
    const { config } = loadWell(good([abacus, `{ engine: ledger, path: ${written}, name: ./name }`]))
    return config.sources['k3']?.connection
  }
  expect(connection('./drop/in')).toEqual({ engine: 'ledger', path: '/etc/erpgw/drop/in', name: './name' })
  expect(connection('../drop')).toMatchObject({ path: '/etc/drop' })
  expect(connection('/mnt/drop')).toMatchObject({ path: '/mnt/drop' })
})
