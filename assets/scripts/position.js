// Fills in where the telephone is, if somebody presses for it. Nothing that Chromium 60 does not know; the form works without.
(function () {
  var button = document.getElementById("here");
  var field = document.getElementById("position");
  var say = document.getElementById("here-say");
  if (!button || !navigator.geolocation) { return; }
  button.hidden = false;
  button.addEventListener("click", function () {
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(function (found) {
      var at = found.coords;
      field.value = [at.latitude.toFixed(6), at.longitude.toFixed(6), Math.ceil(at.accuracy)].join(",");
      say.textContent = say.getAttribute("data-found");
      button.disabled = false;
    }, function () {
      say.textContent = say.getAttribute("data-not");
      button.disabled = false;
    }, { enableHighAccuracy: true, timeout: 20000, maximumAge: 0 });
  });
})();
