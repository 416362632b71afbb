import { expect, test } from 'vitest'
import { createNames, isAllowed } from '../../../gateway/node/names.ts'

const never = new AbortController().signal

function names(answers: Readonly<Record<string, readonly string[]>>, asked: string[] = []) {
  const egress = {
    listed: new Set(['k3db.corp.example', 'localhost', '10.1.2.3', '127.0.0.1', '169.254.169.254', '::1']),
    outside: new Set(['api.dingtalk.com']),
  }
  return createNames(egress, (host) => {
    asked.push(host)
    const found = answers[host]
    return found === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(found)
  })
}

test('gives no address for a host that is not on the list, and does not even ask for it', async () => {
  const asked: string[] = []
  const port = names({ 'evil.example': ['203.0.114.7'] }, asked)
  expect(await port.resolve('evil.example', never)).toBeNull()
  expect(await port.resolve('k3db.corp.example.evil.example', never)).toBeNull()
  expect(await port.resolve('10.1.2.4', never)).toBeNull()
  expect(asked).toEqual([])
})

test('lets a host that the config lists be in the company or on this machine', async () => {
  const port = names({ 'k3db.corp.example': ['10.0.0.5'], localhost: ['::1', '127.0.0.1'] })
  expect(await port.resolve('k3db.corp.example', never)).toBe('10.0.0.5')
  expect(await port.resolve('localhost', never)).toBe('127.0.0.1')
  expect(await port.resolve('10.1.2.3', never)).toBe('10.1.2.3')
  expect(await port.resolve('[::1]', never)).toBe('::1')
})

test('does not believe a name server that puts an outside host into the company', async () => {
  for (const address of [
    '127.0.0.1',
    '10.0.0.5',
    '192.168.1.1',
    '172.31.0.1',
    '100.64.1.1',
    '::1',
    'fc00::1',
  ])
    expect(await names({ 'api.dingtalk.com': [address] }).resolve('api.dingtalk.com', never)).toBeNull()
  const mixed = names({ 'api.dingtalk.com': ['10.0.0.5', '106.11.35.100'] })
  expect(await mixed.resolve('api.dingtalk.com', never)).toBe('106.11.35.100')
})

test('never talks to the metadata service of a cloud, however it is spelt or listed', async () => {
  for (const address of [
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::169.254.169.254',
    '64:ff9b::169.254.169.254',
    '2002:a9fe:a9fe::1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    '100.100.100.200',
    '0.0.0.0',
    '::',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
  ]) {
    expect(isAllowed(address, true), address).toBe(false)
    expect(await names({ 'k3db.corp.example': [address] }).resolve('k3db.corp.example', never)).toBeNull()
  }
  expect(await names({}).resolve('169.254.169.254', never)).toBeNull()
  expect(await names({}).resolve('2852039166', never)).toBeNull()
})

test('knows private addresses in their IPv6 clothes', () => {
  for (const address of ['::ffff:10.0.0.1', '64:ff9b::7f00:1', '2002:c0a8:0101::', '::127.0.0.1'])
    expect(isAllowed(address, false), address).toBe(false)
  for (const address of ['106.11.35.100', '::ffff:106.11.35.100', '2400:3200::1', '100.63.255.255'])
    expect(isAllowed(address, false), address).toBe(true)
})

test('knows a host by any spelling', async () => {
  const port = names({ 'k3db.corp.example': ['10.0.0.5'] })
  expect(await port.resolve('K3DB.Corp.Example.', never)).toBe('10.0.0.5')
})

test('gives nothing where the name has no address', async () => {
  expect(await names({}).resolve('k3db.corp.example', never)).toBeNull()
})

test('stops waiting for a resolver that does not answer', async () => {
  const stop = new AbortController()
  const port = createNames(
    { listed: new Set(['slow.example']), outside: new Set() },
    () => new Promise(() => undefined),
  )
  const waiting = port.resolve('slow.example', stop.signal)
  stop.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
})
