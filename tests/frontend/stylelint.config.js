// What a browser would ignore without a word: unknown names, doubled declarations, empty blocks. And colours, sizes of text, corners and
// distances that are not of tokens.css.
const distance = "(0|auto|inherit|-?\\d+(vh|%)|var\\(--[\\w-]+\\)|calc\\(.+\\))";
const distances = [`/^${distance}( ${distance})*$/`];

export default {
  rules: {
    "at-rule-no-unknown": true,
    "block-no-empty": true,
    "color-named": "never",
    "color-no-hex": true,
    "color-no-invalid-hex": true,
    "declaration-block-no-duplicate-custom-properties": true,
    "declaration-block-no-duplicate-properties": true,
    "declaration-block-single-line-max-declarations": 1,
    "declaration-property-value-allowed-list": {
      "font-size": ["/^var\\(--t\\d+\\)$/", "inherit", "0"],
      "border-radius": ["/^var\\(--radius[\\w-]*\\)$/", "0", "50%", "inherit"],
      "/^(padding|margin|scroll-margin|gap|row-gap|column-gap|inset)/": distances,
    },
    "font-family-no-duplicate-names": true,
    "function-disallowed-list": ["light-dark", "/^rgba?$/", "/^hsla?$/", "oklch", "oklab"],
    "function-no-unknown": true,
    "media-feature-name-no-unknown": true,
    "no-descending-specificity": null,
    "no-duplicate-selectors": true,
    "no-invalid-position-at-import-rule": true,
    "property-no-unknown": true,
    "selector-pseudo-class-no-unknown": true,
    "selector-pseudo-element-no-unknown": true,
    "unit-no-unknown": true,
  },
  overrides: [
    { files: ["**/tokens.css"], rules: { "color-named": null, "color-no-hex": null, "function-disallowed-list": null } },
  ],
};
