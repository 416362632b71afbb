import { describe, expect, test } from 'vitest'
import { CONFIG_BYTES_MAX, readConfigTree } from '../../../gateway/config/document.ts'
import { memoryFiles, texts } from './world.ts'

const FILE = '/etc/erpgw/gateway.yaml'

function read(yaml: string) {
  return readConfigTree(FILE, memoryFiles({ [FILE]: yaml }))
}

function readFolder(files: Readonly<Record<string, string>>) {
  const inFolder = Object.entries(files).map(([name, text]) => [`/etc/erpgw/${name}`, text])
  return readConfigTree('/etc/erpgw', memoryFiles(Object.fromEntries(inFolder)))
}

function complaints(yaml: string): readonly string[] {
  return texts(read(yaml).mistakes)
}

test('reads every scalar as the text it is, except true, false and null', () => {
  const yaml = 'a: [0010, 1.10, 1E3, no, on, 2026-01-01, 0x1F, .inf, "true", true, false, null, ~, 12:30:00]'
  expect(read(yaml).tree?.value['a']).toEqual([
    '0010',
    '1.10',
    '1E3',
    'no',
    'on',
    '2026-01-01',
    '0x1F',
    '.inf',
    'true',
    true,
    false,
    null,
    null,
    '12:30:00',
  ])
})

describe('refuses, at its place and in words of our own,', () => {
  test.each<readonly [string, string, string]>([
    [
      'a tab as indentation',
      'a:\n\tb: 1\n',
      '2:1 A tab stands where YAML allows only spaces; replace it by spaces.',
    ],
    [
      'an anchor',
      'a: &x 1\n',
      '1:7 a: Anchors (&) and aliases (*) are not used here; write the value out, or quote it.',
    ],
    [
      'an anchor on a group',
      'a: &x\n  b: 1\n',
      '2:3 a: Anchors (&) and aliases (*) are not used here; write the value out, or quote it.',
    ],
    [
      'an alias',
      'a: *x\n',
      '1:4 a: Anchors (&) and aliases (*) are not used here; write the value out, or quote it.',
    ],
    ['a merge key', 'a:\n  <<: b\n', '2:3 a.<<: Merge keys (<<) are not used here; write the settings out.'],
    [
      'a key of the prototype',
      'a:\n  __proto__: { b: 1 }\n',
      '2:3 a.__proto__: "__proto__" cannot be used as a name; choose another.',
    ],
    [
      'a constructor',
      'constructor: 1\n',
      '1:1 constructor: "constructor" cannot be used as a name; choose another.',
    ],
    [
      'a prototype',
      'a: [{ prototype: 1 }]\n',
      '1:7 a[0].prototype: "prototype" cannot be used as a name; choose another.',
    ],
    [
      'a key that is there already',
      'a: 1\nb: 2\na: 3\n',
      '3:1 a: "a" is already defined at line 1; keep one of them.',
    ],
    [
      'a type tag',
      'a: !secret x\n',
      '1:4 Type tags (!…) are not used here; write the value alone, in quotes if it begins with "!".',
    ],
    [
      'a second document',
      'a: 1\n---\nb: 2\n',
      '2:1 A second document begins here (---); a config file holds one.',
    ],
    ['a directive', '%FOO bar\n---\na: 1\n', '1:1 Directives (%…) are not used here; remove the line.'],
    ['a quote without its end', 'a: "b\n', '2:1 A closing quote or bracket, a colon or a comma is missing.'],
    ['a list as a key', '? [a]\n: 1\n', '1:3 A key must be a short text on one line.'],
    ['a file that is a list', '- a\n', '1:1 The file must consist of `key: value` lines.'],
    ['values in values in values', `a: ${'['.repeat(40)}${']'.repeat(40)}\n`, '1:36 a[0]'],
  ])('%s', (_, yaml, expected) => {
    const [first, ...others] = complaints(yaml)
    expect(others).toEqual([])
    expect(first).toContain(`gateway.yaml:${expected}`)
  })
})

test('puts nothing on any prototype', () => {
  read(
    '__proto__: { polluted: yes }\na:\n  __proto__: { polluted: yes }\n  constructor: { prototype: { polluted: yes } }\n',
  )
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
})

test.each<readonly [string, string]>([
  ['brackets', '['.repeat(50_000)],
  ['braces', '{a: '.repeat(30_000)],
  ['hyphens', `${'- '.repeat(50_000)}x`],
  ['question marks', `${'? '.repeat(50_000)}x`],
  ['indented groups', Array.from({ length: 1_200 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
  ['keys', Array.from({ length: 30_000 }, (_, index) => `k${index}: 1`).join('\n')],
  ['the same key', 'a: 1\n'.repeat(30_000)],
])('answers within seconds to a file full of %s', (_, yaml) => {
  const began = performance.now()
  read(yaml)
  expect(performance.now() - began).toBeLessThan(5_000)
})

test('says once that a text nests too deep, whatever follows from it', () => {
  expect(complaints('['.repeat(20_000))).toEqual([
    expect.stringContaining('Values are nested deeper than 32 levels.'),
  ])
})

test('refuses a file that is too large, missing, or empty', () => {
  expect(complaints(`a: ${'x'.repeat(CONFIG_BYTES_MAX)}`)).toEqual([
    `gateway.yaml:1:1 gateway.yaml: The file is larger than ${CONFIG_BYTES_MAX} bytes; use several in a folder.`,
  ])
  expect(texts(readConfigTree(FILE, memoryFiles({})).mistakes)).toEqual([
    'gateway.yaml:1:1 gateway.yaml: There is no such file; `erpgw init` writes a first one.',
  ])
  expect(read('# nothing yet\n').tree?.value).toEqual({})
})

test('passes on what the files say when one cannot be read', () => {
  const files = {
    read: () => {
      throw new Error('/x cannot be read: this user may not.')
    },
    list: () => null,
  }
  expect(readConfigTree(FILE, files).mistakes[0]?.message).toContain('this user may not')
})

test('reads a folder as one file', () => {
  const { tree, mistakes } = readFolder({
    'b.yaml': 'sources:\n  k3: { kind: toy }\n',
    'a.yaml': 'gateway: x\n',
    'notes.txt': 'not: yaml: at: all',
    'mappings/k3.yaml': 'gateway: y\n',
  })
  expect(mistakes).toEqual([])
  expect(tree?.value).toEqual({ gateway: 'x', sources: { k3: { kind: 'toy' } } })
  expect(tree?.place(['sources', 'k3', 'kind'], 'value')).toEqual({
    file: '/etc/erpgw/b.yaml',
    line: 2,
    column: 15,
  })
})

test('names both places of a section that two files of a folder define', () => {
  const { mistakes } = readFolder({ 'a.yaml': '\nsources: {}\n', 'b.yaml': 'gateway: x\nsources: {}\n' })
  expect(texts(mistakes)).toEqual([
    'b.yaml:2:1 sources: "sources" is already defined at /etc/erpgw/a.yaml, line 2; keep one of them.',
  ])
})

test('tells the mistakes of all files of a folder', () => {
  const { mistakes } = readFolder({ 'a.yaml': 'a: "x\n', 'b.yaml': 'b: *y\n' })
  expect(mistakes.map(({ file }) => file)).toEqual(['/etc/erpgw/a.yaml', '/etc/erpgw/b.yaml'])
})

test('asks for a file where a folder has none', () => {
  expect(texts(readFolder({ 'notes.txt': '' }).mistakes)[0]).toContain('The folder holds no *.yaml file')
})

describe('finds a character of a text in the file, written', () => {
  const WAYS: Readonly<Record<string, string>> = {
    plain: 'when: first && second == WRONG\n',
    'plain over lines': 'when: first &&\n  second\n  == WRONG\n',
    'in double quotes': 'when: "first \\"\\u00e9\\x41\\U0001F600\\n\\" && second == WRONG"\n',
    'in double quotes over lines': 'when: "first &&\n  second \\\n  == WRONG"\n',
    'in single quotes': "when: 'it''s first && second == WRONG'\n",
    'as a block': 'when: | # why\n  first &&\n\n    second\n  == WRONG\n',
    'as a folded block': 'when: >-\n  first &&\n  second\n\n  == WRONG\n',
    'as a block with its own indentation': 'when: |2-\n    first\n  == WRONG\n',
    'in a flow group': '{ when: first == WRONG, b: 1 }\n',
    'with Chinese and emoji before it': 'when: 名称 👍 == WRONG\n',
  }
  test.each(Object.entries(WAYS))('%s', (_, yaml) => {
    const { tree } = read(yaml)
    const text = String(tree?.at(['when']))
    for (const word of ['WRONG', 'first', 'second', '==']) {
      if (!text.includes(word)) continue
      const place = tree?.placeInText(['when'], text.indexOf(word))
      const line = yaml.split('\n')[(place?.line ?? 0) - 1]
      expect(line?.slice((place?.column ?? 0) - 1)).toMatch(new RegExp(`^${word}`))
    }
    const end = tree?.placeInText(['when'], text.length)
    expect(yaml.split('\n')[(end?.line ?? 0) - 1]?.slice(0, (end?.column ?? 0) - 1)).toMatch(/WRONG$/)
  })
})
