console.log("portable rules: not yet")
