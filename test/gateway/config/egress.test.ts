import { expect, test } from 'vitest'
import { canonicalHost, egressList } from '../../../gateway/config/egress.ts'
import { GOOD, loadWell, otherAdapter, toyAdapter } from './world.ts'

test('lists the hosts of the sources, and DingTalk apart', () => {
  expect(egressList(loadWell(GOOD).config, [toyAdapter, otherAdapter])).toEqual({
    listed: new Set(['k3db.corp.example']),
    outside: new Set(['api.dingtalk.com', 'oapi.dingtalk.com']),
  })
})

test('counts origins that the config gives as listed', () => {
  const custom = GOOD.replace(
    'dingtalk:\n',
    'dingtalk:\n  region: custom\n  api: http://127.0.0.1:8080\n  oapi: http://[::1]:8081\n',
  )
  expect(egressList(loadWell(custom).config, [toyAdapter, otherAdapter])).toEqual({
    listed: new Set(['k3db.corp.example', '127.0.0.1', '::1']),
    outside: new Set(),
  })
})

test('lists no host of DingTalk where the config has no DingTalk', () => {
  const { config } = loadWell(GOOD.slice(0, GOOD.indexOf('\ndingtalk:')))
  expect(egressList(config, [toyAdapter, otherAdapter]).outside).toEqual(new Set())
})

test.each([
  ['K3DB.Corp.Example.', 'k3db.corp.example'],
  ['[::1]', '::1'],
  ['FE80::1', 'fe80::1'],
  ['2130706433', '127.0.0.1'],
  ['0x7f.1', '127.0.0.1'],
  ['bücher.example', 'xn--bcher-kva.example'],
])('spells %s as %s', (written, spelt) => {
  expect(canonicalHost(written)).toBe(spelt)
})
