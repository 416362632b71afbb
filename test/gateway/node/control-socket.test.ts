import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askGateway, controlPath, serveControlSocket } from '../../../gateway/node/control-socket.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'erpgw-control-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('carries a request and its answer, to this user only; nobody there is null', async () => {
  const path = join(folder, 'control.sock')
  expect(await askGateway(path, { verb: 'status' })).toBeNull()
  writeFileSync(join(folder, 'file'), '')
  expect(await askGateway(join(folder, 'file', 'control.sock'), { verb: 'status' })).toBeNull()
  const server = await serveControlSocket(path, async (request) => ({
    ok: true,
    value: { echo: JSON.stringify(request) },
  }))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((source) => askGateway(path, { verb: 'check', source })),
  )
  expect(answers).toEqual(
    ['a', 'b', 'c'].map((source) => ({
      ok: true,
      value: { echo: JSON.stringify({ verb: 'check', source }) },
    })),
  )
  await server.close()
  expect(await askGateway(path, { verb: 'status' })).toBeNull()
})

test('answers without a byte that acts on a terminal, and with the same value', async () => {
  const path = join(folder, 'control.sock')
  const value = 'a\x1b[2J\x9b\x7f\u202e'
  const server = await serveControlSocket(path, async () => ({ ok: true, value }))
  const socket = createConnection(path, () => void socket.write('{}\n'))
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => void parts.push(part))
  await new Promise((resolve) => socket.once('close', resolve))
  const line = Buffer.concat(parts).toString()
  expect(line).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
  expect(JSON.parse(line)).toEqual({ ok: true, value })
  await server.close()
})

test('takes the place that a killed gateway left', async () => {
  const path = join(folder, 'control.sock')
  const first = await serveControlSocket(path, async () => ({ ok: true, value: 1 }))
  const second = await serveControlSocket(path, async () => ({ ok: true, value: 2 }))
  expect(await askGateway(path, { verb: 'status' })).toEqual({ ok: true, value: 2 })
  await second.close()
  await first.close()
})

test('answers what is no JSON, and serves on after clients that say nothing or leave', async () => {
  const path = join(folder, 'control.sock')
  const asked: unknown[] = []
  const server = await serveControlSocket(path, async (request) => {
    asked.push(request)
    return { ok: true, value: null }
  })
  const silent = createConnection(path)
  const leaving = createConnection(path)
  await new Promise((resolve) => leaving.once('connect', resolve))
  leaving.write('{"verb":')
  leaving.destroy()
  const noise = createConnection(path)
  noise.write('this is no JSON\n')
  await new Promise((resolve) => noise.once('data', resolve))
  expect(asked).toEqual([null])
  expect(await askGateway(path, { verb: 'status' })).toEqual({ ok: true, value: null })
  await server.close()
  silent.destroy()
})

test('a client whose gateway ends before it answers is told so', async () => {
  const path = join(folder, 'control.sock')
  let begun = () => {}
  const isAsked = new Promise<void>((resolve) => {
    begun = resolve
  })
  const server = await serveControlSocket(path, () => {
    begun()
    return new Promise(() => undefined)
  })
  const asking = askGateway(path, { verb: 'status' })
  asking.catch(() => undefined)
  await isAsked
  await server.close()
  await expect(asking).rejects.toThrow('closed the connection without an answer')
})

test('a folder whose path is too long for a socket gets one elsewhere, always the same; Windows gets a pipe', () => {
  const long = `/srv/${'x'.repeat(120)}`
  expect(controlPath('/srv/data', 'linux', '/tmp')).toBe('/srv/data/control.sock')
  const path = controlPath(long, 'linux', '/tmp')
  expect(path).toMatch(/^\/tmp\/erpgw-[\w-]{16}\.sock$/)
  expect(controlPath(long, 'linux', '/tmp')).toBe(path)
  expect(controlPath(`${long}y`, 'linux', '/tmp')).not.toBe(path)
  expect(controlPath('C:\\data', 'win32', 'C:\\tmp')).toMatch(/^\\\\\.\\pipe\\erpgw-/)
})
