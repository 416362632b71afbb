import { expect, test } from 'vitest'
import { explainConfig } from '../../../gateway/config/explain.ts'
import { GOOD, loadWell, otherAdapter, toyAdapter } from './world.ts'

const adapters = [toyAdapter, otherAdapter]

test('explains a config as one that loads to the same', () => {
  for (const yaml of [GOOD, MORE]) {
    const explained = explainConfig(loadWell(yaml), adapters)
    expect(loadWell(explained).config).toEqual(loadWell(yaml).config)
  }
})

test('marks what nobody wrote, and says where it comes from', () => {
  const explained = explainConfig(loadWell(GOOD), adapters)
  for (const line of [
    'partitions: 6 # default',
    'history: 30d # default',
    'port: 1521 # default',
    'zone: Asia/Hong_Kong # of company 001',
    'zone: Asia/Shanghai # of company 1000',
    'poll: { every: 10s } # of the source',
    'deleted: 5% # default',
    'origins: [ live, sweep ] # default',
    'mappings: [] # default',
  ])
    expect(explained).toContain(`${line}\n`)
  for (const line of ['diskMax: 20GB', 'rejects: 10d', 'created: 200', 'start: now'])
    expect(explained).toContain(`${line}\n`)
})

test('escapes what would act on a terminal, and still loads to the same', () => {
  const evil = ' \x1b[2J\x9b\x07\r\n\x7f\u202e\u200b\u{e0041}"\\end'
  const yaml = GOOD.replace('name: Example Trading', () => `name: ${JSON.stringify(evil)}`)
  const explained = explainConfig(loadWell(yaml), adapters)
  expect(explained).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]/)
  expect(loadWell(explained).config).toEqual(loadWell(yaml).config)
})

test('shows secrets as their references', () => {
  const explained = explainConfig(loadWell(GOOD), adapters)
  expect(explained).toContain('password: env:K3_PASSWORD\n')
  expect(explained).toContain('secret: env:DT_SECRET\n')
})

/** Texts that YAML would read as something else, and alternatives that GOOD does not use. */
const MORE = `companies:
  1.10: { name: "true", currency: CNY, zone: UTC }
sources:
  files:
    kind: toy
    system: plant
    company: from-record
    zone: Asia/Ho_Chi_Minh
    connection: { engine: ledger, path: "null" }
    feeds:
      orders: { mapping: k3-wise/purchase-order, table: "~", key: ["#a", "b: c", " d "] }
  empty: { kind: drop, system: plant, company: 1.10, connection: { path: "- x" }, feeds: {} }
people:
  night: { dingtalk: "0010", zone: UTC }
dingtalk:
  region: custom
  api: http://127.0.0.1:8080
  oapi: http://localhost:8081
  groups:
    webhook: { webhook: file:/run/secrets/hook }
routes:
  waiting:
    on: purchase-order.deleted
    when: |
      data.a == "x: y" &&
        data.b != '#'
    to: [{ group: webhook }]
    template: stock-low
    origins: [initial]
    maxAge: 90m
`
