// What a subject is told while frames are looked at: a few words for each code, in every language that the pages speak.
//
// Left and right are the subject's own sides, which are those of a mirrored picture. Codes that a subject can do nothing
// about have no words of their own: "keep looking at the camera" is said then.

/** Actions of the interactions, each with the code of the neutral state that comes before it. */
const ACTIONS = new Map([
  [62, 61],
  [64, 63],
  [65, 63],
  [67, 66],
  [68, 66],
  [102, 101],
]);

/** Without exactly one face nothing else matters. */
const FIRST = [8, 9];

/** Whether a code belongs to an interaction: something to do, or the state before it. */
export const isAction = (code) => ACTIONS.has(code) || [...ACTIONS.values()].includes(code);

const prompts = {
  en: {
    keep: "Keep looking at the camera",
    3: "Hold still: the picture is blurred",
    4: "Too bright. Move away from the lamp or the window.",
    5: "Too dark. Find a brighter place.",
    6: "The light comes from one side. Turn towards it.",
    7: "There is glare on your face. Turn away from the lamp a little.",
    8: "We cannot see your face. Look at the camera.",
    9: "Only one person, please",
    12: "Come a little closer",
    13: "Come a little closer",
    14: "Move your face up a little",
    15: "Move a little to your left",
    16: "Move your face down a little",
    17: "Move a little to your right",
    19: "Turn your head a little to the right",
    20: "Turn your head a little to the left",
    21: "Hold your head straight: tilt it a little to the left",
    22: "Hold your head straight: tilt it a little to the right",
    23: "Raise your chin a little",
    24: "Lower your chin a little",
    26: "Close your mouth, and let nothing cover it",
    28: "Please take off your glasses",
    30: "Hold still and look at the camera",
    33: "Hold still and look at the camera",
    37: "Very good. Keep looking at the camera.",
    38: "Move back a little",
    51: "Open your eyes",
    61: "Look at the camera with open eyes",
    62: "Close your eyes for a moment",
    63: "Look straight at the camera",
    64: "Turn your head to the right",
    65: "Turn your head to the left",
    66: "Look straight at the camera",
    67: "Raise your chin",
    68: "Lower your chin",
    101: "Close your mouth",
    102: "Open your mouth wide",
    103: "This is another face than before. Only you, please.",
    104: "That took too long. Please try again.",
  },
  es: {
    keep: "Siga mirando a la cámara",
    3: "No se mueva: la imagen está borrosa",
    4: "Hay demasiada luz. Aléjese de la lámpara o de la ventana.",
    5: "Está muy oscuro. Busque un lugar con más luz.",
    6: "La luz viene de un lado. Gírese hacia ella.",
    7: "Hay un reflejo en su cara. Apártese un poco de la lámpara.",
    8: "No vemos su cara. Mire a la cámara.",
    9: "Una sola persona, por favor",
    12: "Acérquese un poco",
    13: "Acérquese un poco",
    14: "Suba un poco la cara",
    15: "Muévase un poco a su izquierda",
    16: "Baje un poco la cara",
    17: "Muévase un poco a su derecha",
    19: "Gire la cabeza un poco a la derecha",
    20: "Gire la cabeza un poco a la izquierda",
    21: "Ponga la cabeza recta: inclínela un poco a la izquierda",
    22: "Ponga la cabeza recta: inclínela un poco a la derecha",
    23: "Levante un poco la barbilla",
    24: "Baje un poco la barbilla",
    26: "Cierre la boca y no la tape",
    28: "Quítese las gafas, por favor",
    30: "No se mueva y mire a la cámara",
    33: "No se mueva y mire a la cámara",
    37: "Muy bien. Siga mirando a la cámara.",
    38: "Aléjese un poco",
    51: "Abra los ojos",
    61: "Mire a la cámara con los ojos abiertos",
    62: "Cierre los ojos un momento",
    63: "Mire de frente a la cámara",
    64: "Gire la cabeza a la derecha",
    65: "Gire la cabeza a la izquierda",
    66: "Mire de frente a la cámara",
    67: "Levante la barbilla",
    68: "Baje la barbilla",
    101: "Cierre la boca",
    102: "Abra mucho la boca",
    103: "Esta cara no es la de antes. Solo usted, por favor.",
    104: "Ha tardado demasiado. Inténtelo de nuevo.",
  },
  pt: {
    keep: "Continue a olhar para a câmara",
    3: "Não se mexa: a imagem está desfocada",
    4: "Há luz a mais. Afaste-se do candeeiro ou da janela.",
    5: "Está muito escuro. Procure um lugar com mais luz.",
    6: "A luz vem de um lado. Vire-se para ela.",
    7: "Há um reflexo no seu rosto. Afaste-se um pouco da luz.",
    8: "Não vemos o seu rosto. Olhe para a câmara.",
    9: "Só uma pessoa, por favor",
    12: "Aproxime-se um pouco",
    13: "Aproxime-se um pouco",
    14: "Suba um pouco o rosto",
    15: "Mova-se um pouco para a sua esquerda",
    16: "Baixe um pouco o rosto",
    17: "Mova-se um pouco para a sua direita",
    19: "Vire a cabeça um pouco para a direita",
    20: "Vire a cabeça um pouco para a esquerda",
    21: "Endireite a cabeça: incline-a um pouco para a esquerda",
    22: "Endireite a cabeça: incline-a um pouco para a direita",
    23: "Levante um pouco o queixo",
    24: "Baixe um pouco o queixo",
    26: "Feche a boca e não a tape",
    28: "Tire os óculos, por favor",
    30: "Não se mexa e olhe para a câmara",
    33: "Não se mexa e olhe para a câmara",
    37: "Muito bem. Continue a olhar para a câmara.",
    38: "Afaste-se um pouco",
    51: "Abra os olhos",
    61: "Olhe para a câmara com os olhos abertos",
    62: "Feche os olhos por um momento",
    63: "Olhe de frente para a câmara",
    64: "Vire a cabeça para a direita",
    65: "Vire a cabeça para a esquerda",
    66: "Olhe de frente para a câmara",
    67: "Levante o queixo",
    68: "Baixe o queixo",
    101: "Feche a boca",
    102: "Abra bem a boca",
    103: "Este rosto não é o de antes. Só você, por favor.",
    104: "Demorou demasiado. Tente de novo.",
  },
  fr: {
    keep: "Continuez à regarder la caméra",
    3: "Ne bougez pas : l’image est floue",
    4: "Trop de lumière. Éloignez-vous de la lampe ou de la fenêtre.",
    5: "Il fait trop sombre. Cherchez un endroit plus clair.",
    6: "La lumière vient d’un côté. Tournez-vous vers elle.",
    7: "Il y a un reflet sur votre visage. Écartez-vous un peu de la lampe.",
    8: "Nous ne voyons pas votre visage. Regardez la caméra.",
    9: "Une seule personne, s’il vous plaît",
    12: "Approchez-vous un peu",
    13: "Approchez-vous un peu",
    14: "Remontez un peu le visage",
    15: "Déplacez-vous un peu vers votre gauche",
    16: "Baissez un peu le visage",
    17: "Déplacez-vous un peu vers votre droite",
    19: "Tournez la tête un peu vers la droite",
    20: "Tournez la tête un peu vers la gauche",
    21: "Tenez la tête droite : penchez-la un peu vers la gauche",
    22: "Tenez la tête droite : penchez-la un peu vers la droite",
    23: "Levez un peu le menton",
    24: "Baissez un peu le menton",
    26: "Fermez la bouche et ne la cachez pas",
    28: "Retirez vos lunettes, s’il vous plaît",
    30: "Ne bougez pas et regardez la caméra",
    33: "Ne bougez pas et regardez la caméra",
    37: "Très bien. Continuez à regarder la caméra.",
    38: "Reculez un peu",
    51: "Ouvrez les yeux",
    61: "Regardez la caméra, les yeux ouverts",
    62: "Fermez les yeux un instant",
    63: "Regardez la caméra bien en face",
    64: "Tournez la tête vers la droite",
    65: "Tournez la tête vers la gauche",
    66: "Regardez la caméra bien en face",
    67: "Levez le menton",
    68: "Baissez le menton",
    101: "Fermez la bouche",
    102: "Ouvrez grand la bouche",
    103: "Ce visage n’est plus le même. Vous seul, s’il vous plaît.",
    104: "Cela a duré trop longtemps. Réessayez.",
  },
  de: {
    keep: "Schauen Sie weiter in die Kamera",
    3: "Bitte stillhalten: Das Bild ist unscharf",
    4: "Zu hell. Gehen Sie von der Lampe oder vom Fenster weg.",
    5: "Zu dunkel. Suchen Sie einen helleren Ort.",
    6: "Das Licht kommt von der Seite. Drehen Sie sich zu ihm hin.",
    7: "Ihr Gesicht glänzt. Drehen Sie sich etwas von der Lampe weg.",
    8: "Wir sehen Ihr Gesicht nicht. Schauen Sie in die Kamera.",
    9: "Bitte nur eine Person",
    12: "Kommen Sie etwas näher",
    13: "Kommen Sie etwas näher",
    14: "Etwas höher mit dem Gesicht",
    15: "Etwas weiter nach links",
    16: "Etwas tiefer mit dem Gesicht",
    17: "Etwas weiter nach rechts",
    19: "Drehen Sie den Kopf etwas nach rechts",
    20: "Drehen Sie den Kopf etwas nach links",
    21: "Halten Sie den Kopf gerade: etwas nach links neigen",
    22: "Halten Sie den Kopf gerade: etwas nach rechts neigen",
    23: "Heben Sie das Kinn etwas",
    24: "Senken Sie das Kinn etwas",
    26: "Schließen Sie den Mund, und verdecken Sie ihn nicht",
    28: "Bitte nehmen Sie die Brille ab",
    30: "Halten Sie still und schauen Sie in die Kamera",
    33: "Halten Sie still und schauen Sie in die Kamera",
    37: "Sehr gut. Schauen Sie weiter in die Kamera.",
    38: "Gehen Sie etwas zurück",
    51: "Öffnen Sie die Augen",
    61: "Schauen Sie mit offenen Augen in die Kamera",
    62: "Schließen Sie kurz die Augen",
    63: "Schauen Sie gerade in die Kamera",
    64: "Drehen Sie den Kopf nach rechts",
    65: "Drehen Sie den Kopf nach links",
    66: "Schauen Sie gerade in die Kamera",
    67: "Heben Sie das Kinn",
    68: "Senken Sie das Kinn",
    101: "Schließen Sie den Mund",
    102: "Öffnen Sie den Mund weit",
    103: "Das ist ein anderes Gesicht als vorher. Bitte nur Sie.",
    104: "Das hat zu lange gedauert. Bitte noch einmal.",
  },
};

/** What can be asked for, as language tags. */
export const languages = Object.keys(prompts);

/**
 * The code that the subject should hear of first.
 * @param {number[]} errors of one frame
 * @returns {number | null} null when there is nothing that they could do
 */
export function leading(errors) {
  return errors.find((code) => FIRST.includes(code)) ?? errors.find(isAction) ?? errors.find((code) => code in prompts.en) ?? null;
}

/**
 * What to tell the subject.
 * @param {number | null} code
 * @param {string} language such as `es` or `es-MX`; English where it is not known
 * @returns {string}
 */
export function prompt(code, language = "en") {
  const own = prompts[language.toLowerCase().split(/[-_]/)[0]] ?? prompts.en;
  return own[code] ?? own.keep;
}

/** Counts interactions by what the subject is told, since the service does not tell a client how many it will ask for. */
export class Progress {
  #done = new Set();
  #current = null;

  /**
   * @param {number[]} errors of one frame
   * @returns {{done: number, current: number | null}} interactions that are done, and the action that is being asked for
   */
  update(errors) {
    const code = leading(errors);
    if (ACTIONS.has(code)) {
      // Asked for again: whoever turns to both sides begins anew.
      this.#done.delete(code);
      if (this.#current !== code) this.#complete();
      this.#current = code;
    } else if (code === null || code === 37 || (isAction(code) && ACTIONS.get(this.#current) !== code)) {
      // After an action its own neutral state may mean both: the next action tells.
      this.#complete();
    }
    return { done: this.#done.size, current: this.#current };
  }

  #complete() {
    if (this.#current !== null) this.#done.add(this.#current);
    this.#current = null;
  }
}
