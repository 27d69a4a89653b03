// Which language the page speaks. English stands in the texts of the modules; what locales/ says in another
// language, as the host hands it out, takes its place wherever it is read.

/**
 * @typedef {object} NodeTexts
 * @property {string} [display_name]
 * @property {string} [description]
 * @property {Record<string, {name?: string, tooltip?: string}>} [inputs]
 * @property {Record<string, {name?: string, tooltip?: string}>} [outputs] by place
 *
 * @typedef {object} Messages all that the packs' locales/ folders say in one language
 * @property {Record<string, Record<string, string>>} [loraRack] by module and key
 * @property {Record<string, NodeTexts>} [nodeDefs]
 * @property {Record<string, string>} [nodeCategories]
 */

const spoken = {
  /** @type {Record<string, Messages>} */
  messages: {},
  locale: () => "en",
};

/**
 * @param {Record<string, Messages>} messages by locale
 * @param {() => string} locale asked whenever a text is read, since a person may change it at any time
 */
export function speak(messages, locale) {
  spoken.messages = messages;
  spoken.locale = locale;
}

/** @returns {Messages} */
export const messages = () => spoken.messages[spoken.locale()] ?? {};

/** The locale, for numbers and dates. */
export const locale = () => spoken.locale();

/**
 * A module's texts, each read in the language of the moment.
 *
 * @template {Record<string, string>} T
 * @param {string} module
 * @param {T} english
 * @returns {T}
 */
export function localised(module, english) {
  return new Proxy(english, {
    get: (texts, key) => messages().loraRack?.[module]?.[String(key)] ?? Reflect.get(texts, key),
  });
}

/**
 * A text with its {places} filled.
 *
 * @param {string} text
 * @param {Record<string, string | number>} values
 */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => `${values[name]}`);
