// Says what in our pages' scripts and styles a Chromium 80 does not know: syntax by a parser of that year, methods by name,
// styles by the tables of caniuse. `make chromium80`.
import { readFileSync } from 'node:fs';
import { parse } from 'acorn';
import postcss from 'postcss';
import DoIUse from 'doiuse/lib/DoIUse.js';

// Methods that came later, each with the version that brought it.
const LATER = {
  replaceAll: 85, at: 92, hasOwn: 93, structuredClone: 98, findLast: 97, findLastIndex: 97,
  replaceChildren: 86, randomUUID: 92, showPicker: 99, toSorted: 110, groupBy: 117, checkVisibility: 105,
};
// Properties that the tables do not tell apart, each with its version.
const PROPERTIES = {
  'aspect-ratio': 88, inset: 87, 'accent-color': 93, translate: 104, rotate: 104, scale: 104, 'text-wrap': 114,
  'content-visibility': 85, 'overflow-clip-margin': 90, 'scrollbar-gutter': 94, 'row-gap': 84, 'text-underline-offset': 87,
};
// Known to caniuse under a name that is wider than what we use of it, with what that is.
const KNOWN = new Set([
  'css-appearance', // with its -webkit- name beside it
  'multicolumn', 'text-size-adjust',
]);

let wrong = 0;
const say = (file, line, what) => {
  wrong += 1;
  console.error(`${file}:${line}: ${what} is newer than Chromium 80`);
};

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  if (file.endsWith('.css')) {
    const told = new DoIUse({
      browsers: ['chrome 80'],
      onFeatureUsage({ feature, usage, featureData }) {
        if (featureData.missing && !KNOWN.has(feature)) say(file, usage.source.start.line, featureData.title);
      },
    });
    const { root } = await postcss([told]).process(text, { from: file });
    root.walkDecls((style) => {
      const version = PROPERTIES[style.prop];
      if (version) say(file, style.source.start.line, `${style.prop} of ${version}`);
    });
    continue;
  }
  try {
    const tree = parse(text, { ecmaVersion: 2020, sourceType: 'script', allowReturnOutsideFunction: true, allowAwaitOutsideFunction: true, locations: true });
    const walk = (node) => {
      if (!node || typeof node.type !== 'string') return;
      const name = node.type === 'MemberExpression' && !node.computed ? node.property.name : undefined;
      if (name && Object.hasOwn(LATER, name)) say(file, node.loc.start.line, `.${name}() of ${LATER[name]}`);
      for (const child of Object.values(node)) {
        if (Array.isArray(child)) child.forEach(walk);
        else walk(child);
      }
    };
    walk(tree);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    say(file, error.loc?.line ?? 0, error.message);
  }
}
console.log(wrong ? `${wrong} things are newer than Chromium 80` : 'nothing newer than Chromium 80');
process.exit(wrong ? 1 : 0);
