"""Common words in answers that name a seat or abstain, by kind.

Commas separate phrases, and most lines have one language. Case and accents do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    # words next to a seat's number
    "seat": """
        player, player number, player no, player id, seat, seat number, suspect, participant, number, candidate
        person, speaker, agent, character, option, user, clue giver
        玩家, 选手, 選手, 编号, 編號
        プレイヤー, プレーヤー, 参加者
        플레이어, 참가자, 선수
        spieler, spielerin, sitz, nummer, teilnehmer
        joueur, joueuse, siege, numero
        jugador, jugadora, asiento
        jogador, jogadora
        giocatore, giocatrice
        speler, speelster
        игрок, игрока, игроку, номер, гравець, гравця
        gracz, gracza, numer
        hrac, hrace, cislo
        oyuncu, numara
        اللاعب, لاعب, رقم, بازیکن, شماره
        खिलाड़ी, प्लेयर, नंबर, खेलाड़ी, খেলোয়াড়, খেলোয়াড়
        spelare, spelaren, spiller, spilleren, pelaaja, jatekos, jucator, jucatorul, igrac, играч, играчът
        کھلاڑی, வீரர், ఆటగాడు, nguoi choi, pemain, mchezaji, manlalaro, ผู้เล่น, หมายเลข, שחקן, השחקן, מספר
        παικτης, ο παικτης
    """,
    # words that make the preceding number an ordinal
    "ordinal": """
        号, 號, 位, 番, 番目, 人目, 번, 번째, 번 째, numarali
    """,
    "spy": """
        spy, the spy, imposter, impostor, odd one out, odd one, odd player, odd, undercover, liar, lying
        suspicious
        guilty, different, the one, outlier, odd player out, has the different picture, has a different picture
        间谍, 間諜, 卧底, 臥底, 内鬼
        スパイ, 스파이
        spion, spionin, espion, espionne, l'espion, imposteur, espia, impostor, espiao, espia, spia, impostore
        шпион, шпионом, шпигун, szpieg, szpiegiem, spion, casus, spionen
        الجاسوس, جاسوس, جاسوس است, जासूस, গুপ্তচর
        gian diep, mata-mata, สายลับ, מרגל, המרגל, κατασκοπος
    """,
    "filler": """
        the, a, an, is, it, it's, that is, this is, be, of, for, there, must be, should be, would be, seems
        appears, seems to be, appears to be
        correct, correct answer, right answer, based on the clues, we, to be
        could be, might be, i'd say, real, vote out, eliminate
        i, my, i vote, vote, vote for, voting for, voted, i vote for, answer, final, final answer, guess, choice
        verdict, result, conclusion, think, i think, i believe, believe, suspect that, i suspect, i choose
        choose
        most, likely, probably, most likely, definitely, clearly, perhaps, maybe, possibly, therefore, so, thus
        hence
        this, that, only one, one who, one that, one of, one whose, id, identity, name, s, t
        是, 我, 投票, 投票给, 投给, 投票給, 投, 我选择, 选择, 选, 選, 我認為, 我认为
        答案, 答案是, 最终答案, 第, 为, 為, 可能, 应该, 最可能, 一个, 一個, 一名
        は, が, です, だ, である, に, を, の, と思います, だと思います, 投票します, 答え, 答えは, 最終的な答え
        私
        은, 는, 이, 가, 을, 를, 입니다, 이다, 에게, 에, 투표, 투표합니다, 정답, 정답은, 답, 답은, 최종 답변
        der, die, das, den, ist, es, es ist, ich, stimme, stimme fur, ich stimme fur, fur, ich glaube, ich denke
        antwort, meine, stimme
        wahrscheinlich, vermutlich, ein, eine
        le, la, les, l, est, c, c'est, je, je pense que, je crois que, vote pour, pour, reponse, la reponse est
        ma, mon, un, une, probablement
        el, es, mi, voto, voto por, por, respuesta, la respuesta es, una, probablemente, creo que
        o, e, meu, minha, voto em, em, resposta, a resposta e, um, uma, provavelmente
        il, lo, risposta, la risposta e, voto per, per, mio, probabilmente
        de, het, ik, stem, stem op, op, antwoord, waarschijnlijk, een
        это, я, голосую, голосую за, за, ответ, мой, голос, вероятно, скорее всего, це, відповідь
        to, jest, odpowiedz, je, odpoved, glosuje na, cevap, oyum, det, ar, svar, en, ett
        هو, هي, انا, أصوت, أصوت ل, أصوت للاعب, الجواب, الإجابة, صوتي, است, پاسخ
        है, हैं, अंतिम, उत्तर, मेरा, वोट, मैं, को, के लिए, হল
        la, jawaban, adalah, คือ, คำตอบ, הוא, היא, תשובה, ειναι, απαντηση
    """,
    # words that begin a reason
    "why": """
        because, since, as, who, whose, which, due to, given that, weil, denn, parce que, car, porque
        perche, omdat, потому что, так как
        因为, 因為, なぜなら, 왜냐하면, لأن, क्योंकि
    """,
    "and": """
        and, or, and/or, and also, nor, but, also, too, vs
        und, oder, et, ou, y, o bien, oppure, of wel, en ook, и, или, або
        和, 或, 或者, 与, 與, 跟, 还是, 還是, 以及, と, か, または, もしくは, 와, 과, 또는, 혹은
        lub, nebo, veya, ve, och, eller
        أو, و, या, और, অথবা, hoac, atau, หรือ, או, η
    """,
    "plural": """
        players, them, these, those, all, above, players', any, spies, seats
    """,
    "no": """
        not, no, never, isn't, isnt, can't be, cannot be, can not be, neither, except, nope, wasn't
        不是, 不, 非, 没有, 沒有, ではない, じゃない, 아니다, 아닙니다, 아닌
        nicht, kein, keine, pas, n'est pas, nao, non, niet, geen, не, нет, nie, neni, degil, inte
        ليس, नहीं, khong, bukan
    """,
    "civilian": """
        civilian, innocent, not guilty, cleared, truthful, 平民, 好人, 市民, 시민
        zivilist, unschuldig, civil, inocente, civile, innocente, мирный, невиновен, مدني, नागरिक
    """,
    # an abstention, whatever else the answer says
    "abstain": """
        none, none of, nobody, no one, noone, no spy, no player, no vote, no votes, no clear spy, no spy found
        no spy detected, skip, pass
        abstain, abstaining, abstention
        not applicable, no answer, 无, 無, 無し
        弃权, 棄權, 不适用, 不適用, 棄権, 該当なし, なし, 기권, 해당 없음, 없음
        enthaltung, ich enthalte mich, niemand, keiner, keine angabe, k.a, k. a, nicht zutreffend
        personne, aucun, aucune, je m'abstiens, sans objet, nadie, ninguno, ninguna, abstencion, me abstengo
        no aplica
        ninguem, nenhum, abstencao, nao se aplica, nessuno, astensione, mi astengo, onthouding
        никто, воздерживаюсь, н/д, ніхто, nikt, nikdo, ingen, لا أحد, أمتنع, أمتنع عن التصويت, لا ينطبق
        कोई नहीं, लागू नहीं, প্রযোজ্য নয়
    """,
    # a doubt: an abstention on its own, a hedge after a seat
    "doubt": """
        unknown, uncertain, unsure, undecided, unclear, undetermined, not sure, i am not sure, i'm not sure
        not certain
        i'm unsure, i am unable to determine, unable to determine, unable to tell, not known, not clear
        inconclusive, indeterminate, i don't know, don't know, i do not know
        do not know
        i can't tell, can't tell, i cannot tell, cannot tell, cannot say, can't say, i can't say, hard to tell
        i cannot determine, cannot determine, can't determine, cannot be determined, can't be determined
        can't decide
        i cannot decide, cannot decide, not enough information, insufficient information, insufficient evidence
        no idea, impossible to tell, impossible to determine, not determinable
        无法确定, 無法確定, 不确定, 不確定, 不知道, 不明, 无法判断, 無法判斷, 未知, 不清楚, 难以判断
        わからない, 分からない, わかりません, 分かりません, 判断できない, 判断できません, 不明です, 特定できない
        모름, 모르겠습니다, 모르겠음, 알 수 없음, 알 수 없습니다, 알수없음, 불확실, 판단 불가, 확실하지 않음
        unklar, unbekannt, weiss nicht, ich weiss nicht, ich weiss es nicht, unsicher, nicht bestimmbar
        je ne sais pas, inconnu, incertain, indetermine, impossible a dire, no se, no lo se
        no se puede determinar, desconocido, incierto
        indeterminado, nao sei, desconhecido, incerto, non so, non lo so, sconosciuto, incerto, weet niet
        ik weet het niet, onbekend, не знаю, неизвестно, неясно, не уверен, невідомо, nie wiem, nieznany, nevim
        bilmiyorum, belirsiz, vet inte, vet ej, لا أعرف, لا أدري, غير معروف, غير واضح, نمی دانم, نمی‌دانم
        पता नहीं, मुझे नहीं पता, अज्ञात, জানি না, khong biet, tidak tahu, ไม่ทราบ, לא יודע, לא ידוע, δεν ξερω
        αγνωστο
    """,
}

# Numbers in words: cardinals and ordinals from 1; then words that are numbers only after a word for a seat, since
# elsewhere they are articles or letters.
CARDINALS = """
    one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve
    一, 二, 三, 四, 五, 六, 七, 八, 九, 十
    일, -, 삼, 사, 오, 육, 칠, 팔, 구, 십
    eins, zwei, drei, vier, funf, sechs, sieben, acht, neun, zehn, elf, zwolf
    -, deux, trois, quatre, cinq, six, sept, huit, neuf, dix
    uno, dos, tres, cuatro, cinco, seis, siete, ocho, nueve, diez
    -, dois, tres, quatro, cinco, seis, sete, oito, nove, dez
    -, due, tre, quattro, cinque, sei, sette, otto, nove, dieci
    -, twee, drie, vier, vijf, zes, zeven, acht, negen, tien
    один, два, три, четыре, пять, шесть, семь, восемь, девять, десять
    jeden, dwa, trzy, cztery, piec, szesc, siedem, osiem, dziewiec, dziesiec
    -, iki, uc, dort, bes, alti, yedi, sekiz, dokuz
    واحد, اثنان, ثلاثة, أربعة, خمسة, ستة, سبعة, ثمانية, تسعة, عشرة
    -, दो, तीन, चार, पांच, छह, सात, आठ, नौ, दस
    -, দুই, তিন, চার, পাঁচ
    mot, hai, ba, bon, nam
    satu, dua, tiga, empat, lima
"""
ORDINALS = """
    first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth
    erste, zweite, dritte, vierte, funfte, sechste
    erster, zweiter, dritter, vierter, funfter, sechster
    premier, deuxieme, troisieme, quatrieme, cinquieme, sixieme
    primer, segundo, tercer, cuarto, quinto, sexto
    primero, segundo, tercero, cuarto, quinto, sexto
    primeiro, segundo, terceiro, quarto, quinto, sexto
    primo, secondo, terzo, quarto, quinto, sesto
    eerste, tweede, derde, vierde, vijfde, zesde
    первый, второй, третий, четвертый, пятый, шестой
    الأول, الثاني, الثالث, الرابع, الخامس, السادس
    पहला, दूसरा, तीसरा, चौथा, पांचवां, छठा
    첫, 두, 세, 네, 다섯, 여섯
"""
AFTER_SEAT = """
    un, -
    um, -
    een, -
    en, -
    bir, -
    एक, -
    -, 이
    i, ii, iii, iv
"""
# Numbers after these words are not seats: "round 2, player 3".
COUNTED = "round, clue round, clue, turn, runde, manche, ronda, rodada, turno, раунд, 轮, 回合, 라운드, ラウンド"
