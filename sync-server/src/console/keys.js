// Keys of the inbox: nothing here that a link, a box or a button of the page does not do too. Nothing newer than Chromium 80.
(function () {
  'use strict';
  var list = document.getElementById('mails');
  if (!list) return;
  var mails = Array.prototype.slice.call(list.querySelectorAll('.mail'));
  var here = mails.findIndex(function (mail) { return mail.classList.contains('mail--on'); });
  if (mails[here]) mails[here].scrollIntoView({ block: 'nearest' });

  function go(to) {
    var mail = mails[to];
    // A move is not a page to come back to.
    if (mail) location.replace(mail.querySelector('a').href);
  }

  function press(key) {
    var found = document.querySelector('[data-key="' + key + '"]');
    if (found) found.click();
    return !!found;
  }

  document.addEventListener('keydown', function (event) {
    if (event.ctrlKey && event.key === 'Enter' && !event.isComposing) { press('Enter'); event.preventDefault(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    var at = event.target;
    var typing = /^(TEXTAREA|SELECT)$/.test(at.tagName) || (at.tagName === 'INPUT' && !/^(checkbox|radio)$/.test(at.type));
    if (event.key === 'Escape' && typing) { at.blur(); event.preventDefault(); return; }
    if (typing) return;
    var done = true;
    if (event.key === 'j' || event.key === 'ArrowDown') go(here + 1);
    else if (event.key === 'k' || event.key === 'ArrowUp') go(here - 1);
    else if (event.key === 'x') {
      var box = mails[here] && mails[here].querySelector('input[type="checkbox"]');
      if (box) box.checked = !box.checked;
    } else if (event.key === 'a') {
      var boxes = Array.prototype.slice.call(list.querySelectorAll('input[type="checkbox"]'));
      var all = boxes.every(function (one) { return one.checked; });
      boxes.forEach(function (one) { one.checked = !all; });
    } else if (event.key === 'd') {
      var first = document.querySelector('#due details[open] textarea, #due details[open] select') ||
        document.querySelector('#due select, #due textarea');
      if (first) first.focus();
    } else if (/^[1-9]$/.test(event.key)) {
      var option = document.querySelector('#due option[data-digit="' + event.key + '"]');
      if (option) option.selected = true;
    } else if (event.key === '/') {
      var find = document.getElementById('q');
      if (find) find.focus();
    } else if (event.key === 'Enter' && /^(A|BUTTON|SUMMARY)$/.test(at.tagName)) done = false;
    else done = press(event.key);
    if (done) event.preventDefault();
  });
})();
