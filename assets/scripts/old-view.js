// A web view that is too old for the page behind says so, in place of showing nothing. Nothing here that a Chromium 30 does not
// know, and nothing it needs to be there. LEAST and TEXT are put in by the app.
(function () {
  var found = /Chrom(?:e|ium)\/(\d+)/.exec(navigator.userAgent);
  if (!found || parseInt(found[1], 10) >= LEAST) { return; }
  var box = document.createElement('div');
  box.id = 'old-view';
  box.setAttribute('role', 'alert');
  box.style.cssText = 'position:fixed;left:0;top:0;right:0;bottom:0;z-index:9999;overflow:auto;padding:24px;' +
    'background:#fff;color:#111;font:20px/1.6 sans-serif;white-space:pre-wrap';
  box.textContent = TEXT.replace('{found}', found[1]);
  document.documentElement.appendChild(box);
})();
